import { deepFreeze } from '#base/freeze';
import { expect, test } from 'vitest';
import type { KubeObject } from '../machinery/object.ts';
import { decodeObject } from '../schema/decode.ts';
import { errorText, invalidError } from '../validation/errors.ts';
import type { ResourceDefinition } from './definition.ts';
import { findResource } from './table.ts';

function row(group: string, plural: string): ResourceDefinition {
  const found = findResource(group, 'v1', plural);
  if (!found) throw new Error(`no ${plural}`);
  return found;
}
const [pods, deployments, services, jobs] = [
  row('', 'pods'),
  row('apps', 'deployments'),
  row('', 'services'),
  row('batch', 'jobs'),
];

function create(resource: ResourceDefinition, spec: unknown, metadata: object = {}): KubeObject {
  const body = deepFreeze({ metadata: { name: 'x', namespace: 'default', uid: 'u1', ...metadata }, spec });
  const { object } = decodeObject(body, resource, 'Strict');
  return deepFreeze(resource.strategy.prepareForCreate(deepFreeze(resource.strategy.applyDefaults(object))));
}
const problems = (resource: ResourceDefinition, object: KubeObject): string[] =>
  resource.strategy.validate(object).map(errorText);
const changes = (resource: ResourceDefinition, next: KubeObject, old: KubeObject): string[] =>
  resource.strategy.validateUpdate(resource.strategy.prepareForUpdate(next, old), old).map(errorText);

const web = {
  containers: [{ name: 'web', image: 'nginx', ports: [{ containerPort: 80 }], resources: { limits: { cpu: '1' } } }],
};
const template = { metadata: { labels: { app: 'web' } }, spec: web };

test('a pod gets the defaults of Kubernetes', () => {
  const pod = create(pods, web);
  expect(pod).toMatchObject({
    metadata: { generation: 1 },
    spec: {
      containers: [
        {
          imagePullPolicy: 'Always',
          ports: [{ containerPort: 80, protocol: 'TCP' }],
          resources: { limits: { cpu: '1' }, requests: { cpu: '1' } },
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
        },
      ],
      dnsPolicy: 'ClusterFirst',
      enableServiceLinks: true,
      restartPolicy: 'Always',
      schedulerName: 'default-scheduler',
      securityContext: {},
      terminationGracePeriodSeconds: 30,
    },
    status: { phase: 'Pending', qosClass: 'Burstable' },
  });
  expect(problems(pods, pod)).toEqual([]);
  expect(pods.strategy.applyDefaults(pod)).toBe(pod);
});

test.each([
  [{ containers: [{ name: 'a' }] }, ['spec.containers[0].image: Required value']],
  [{ containers: [] }, ['spec.containers: Required value']],
  [
    { containers: [{ name: 'A', image: 'i' }] },
    [
      `spec.containers[0].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
    ],
  ],
  [
    {
      containers: [
        { name: 'a', image: 'i' },
        { name: 'a', image: 'i' },
      ],
    },
    ['spec.containers[1].name: Duplicate value: "a"'],
  ],
  [
    { ...web, restartPolicy: 'Sometimes' },
    ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'],
  ],
  [
    { containers: [{ name: 'a', image: 'i', volumeMounts: [{ name: 'v', mountPath: '/v' }] }] },
    ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
  ],
  [
    { containers: [{ name: 'a', image: 'i', resources: { limits: { cpu: '1' }, requests: { cpu: '2' } } }] },
    ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
  ],
])('pod spec %j is refused', (spec, texts) => {
  expect(problems(pods, create(pods, spec))).toEqual(texts);
});

test('a pod keeps its spec but for images', () => {
  const pod = create(pods, web) as KubeObject & { spec: typeof web };
  const [container] = pod.spec.containers;
  const image = { ...pod, spec: { ...pod.spec, containers: [{ ...container, image: 'nginx:2' }] } };
  expect(changes(pods, image, pod)).toEqual([]);
  const name = { ...pod, spec: { ...pod.spec, hostname: 'other' } };
  expect(changes(pods, name, pod)[0]).toMatch(
    /^spec: Forbidden: pod updates may not change fields other than `spec.containers\[\*\].image`/,
  );
});

test('a deployment: defaults, selector, generation', () => {
  const deployment = create(deployments, { selector: { matchLabels: { app: 'web' } }, template });
  expect(deployment).toMatchObject({
    spec: {
      progressDeadlineSeconds: 600,
      replicas: 1,
      revisionHistoryLimit: 10,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
    },
    status: {},
  });
  expect(problems(deployments, deployment)).toEqual([]);
  const wrong = create(deployments, { selector: { matchLabels: { app: 'other' } }, template });
  expect(problems(deployments, wrong)).toEqual([
    'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
  ]);
  const scaled = {
    ...deployment,
    spec: { ...(deployment as KubeObject & { spec: object }).spec, replicas: 2 },
    status: { replicas: 9 },
  };
  const next = deployments.strategy.prepareForUpdate(scaled, deployment);
  expect(next).toMatchObject({ metadata: { generation: 2 }, spec: { replicas: 2 }, status: {} });
  expect(
    changes(
      deployments,
      { ...deployment, spec: (wrong as KubeObject & { spec: object }).spec } as KubeObject,
      deployment,
    ),
  ).toContain('spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: field is immutable');
});

test('the error of an invalid object reads as upstream', () => {
  const error = invalidError(
    deployments,
    'x',
    deployments.strategy.validate(create(deployments, { template, replicas: -1 })),
  );
  expect(error.message).toBe(
    'Deployment.apps "x" is invalid: [spec.replicas: Invalid value: -1: must be greater than or equal to 0, spec.selector: Required value]',
  );
  expect(error.toStatus()).toMatchObject({ code: 422, details: { name: 'x', group: 'apps', kind: 'Deployment' } });
  expect(error.details?.causes?.[1]).toEqual({
    reason: 'FieldValueRequired',
    message: 'Required value',
    field: 'spec.selector',
  });
});

test('a service keeps what was allocated and its address', () => {
  const service = create(services, { selector: { app: 'web' }, ports: [{ port: 80 }] });
  expect(service).toMatchObject({
    spec: {
      internalTrafficPolicy: 'Cluster',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
      sessionAffinity: 'None',
      type: 'ClusterIP',
    },
    status: { loadBalancer: {} },
  });
  const allocated = {
    ...service,
    spec: { ...(service as KubeObject & { spec: object }).spec, clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] },
  };
  expect(services.strategy.prepareForUpdate(service, allocated)).toMatchObject({ spec: { clusterIP: '10.0.0.1' } });
  const moved = { ...allocated, spec: { ...allocated.spec, clusterIP: '10.0.0.2', clusterIPs: ['10.0.0.2'] } };
  expect(changes(services, moved, allocated)).toEqual([
    'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set',
  ]);
});

test('a job selects its pods by its uid and must not restart always', () => {
  const job = create(jobs, { template: { spec: { ...web, restartPolicy: 'Never' } } });
  expect(job).toMatchObject({
    spec: {
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      completions: 1,
      parallelism: 1,
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u1' } },
      template: { metadata: { labels: { 'job-name': 'x', 'controller-uid': 'u1' } } },
    },
  });
  expect(problems(jobs, job)).toEqual([]);
  expect(problems(jobs, create(jobs, { template: { spec: web } }))).toEqual([
    'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
  ]);
});

test('metadata: names, labels and what may not change', () => {
  const pod = create(pods, web, { name: 'Bad_Name', labels: { 'a b': 'c' } });
  expect(problems(pods, pod).map((text) => text.slice(0, 50))).toEqual([
    'metadata.name: Invalid value: "Bad_Name": a lowerc',
    'metadata.labels: Invalid value: "a b": name part m',
  ]);
  const good = create(pods, web);
  expect(changes(pods, { ...good, metadata: { ...good.metadata, uid: 'u2' } }, good)).toEqual([
    'metadata.uid: Invalid value: "u2": field is immutable',
  ]);
});
