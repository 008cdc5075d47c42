import type { Container, PodSpec, Service } from '#api/gen/types';

/** Ends at once when asked to, as a shell that is process 1 does not by itself. */
export const forever = 'trap "exit 0" TERM; while true; do sleep 1; done';

export const shell = (line: string): Container => ({
  ...{ name: 'main', image: 'busybox:1.36', command: ['sh', '-c', line] },
});

export function pod(name: string, spec: PodSpec, labels: Readonly<Record<string, string>> = {}, namespace = 'default') {
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels: { app: name, ...labels } } },
    spec: { terminationGracePeriodSeconds: 1, ...spec },
  };
}

/** A shell on every node: `client` on worker-1, -2 and -3. */
export const clients = {
  ...{ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'client', namespace: 'default' } },
  spec: {
    selector: { matchLabels: { app: 'client' } },
    template: {
      metadata: { labels: { app: 'client' } },
      spec: { terminationGracePeriodSeconds: 1, containers: [shell(forever)] },
    },
  },
} as const;

/** nginx's site: says on which pod, in which version, and for whom it answers. */
export function site(version: string, namespace = 'default') {
  const answer = (port: number) =>
    `server { listen ${port}; location / { default_type text/plain; return 200 "$hostname ${version} $remote_addr ${port}\\n"; } }`;
  return {
    ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `site-${version}`, namespace } },
    data: { 'default.conf': `${answer(8080)}\n${answer(8081)}\n` },
  };
}

/** Who {@link site} says it is. */
export function answerOf(text: string): { readonly host: string; readonly version: string; readonly client: string } {
  const [host = '', version = '', client = ''] = text.trim().split(' ');
  return { host, version, client };
}

/** nginx as a good user runs it: takes requests when it is ready, and goes on a moment after it is told to end. */
export function nginx(version: string): PodSpec {
  return {
    terminationGracePeriodSeconds: 20,
    containers: [
      {
        ...{ name: 'nginx', image: 'nginx', imagePullPolicy: 'IfNotPresent' },
        ports: [{ name: 'web', containerPort: 8080 }],
        readinessProbe: { httpGet: { path: '/', port: 'web' }, periodSeconds: 1 },
        lifecycle: { preStop: { sleep: { seconds: 4 } } },
        volumeMounts: [{ name: 'site', mountPath: '/etc/nginx/conf.d' }],
      },
    ],
    volumes: [{ name: 'site', configMap: { name: `site-${version}` } }],
  };
}

export function deployment(name: string, replicas: number, spec: PodSpec) {
  return {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: 'default' } },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: { metadata: { labels: { app: name } }, spec },
    },
  };
}

/** One pod a node, as far as they go round. */
export const spread: Pick<PodSpec, 'topologySpreadConstraints'> = {
  topologySpreadConstraints: [
    {
      ...{ maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' },
      labelSelector: { matchLabels: { app: 'web' } },
    },
  ],
};

export function service(name: string, spec: Service['spec'], app = 'web') {
  return {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' } },
    spec: {
      ports: [{ name: 'http', port: 80, targetPort: 'web' }],
      ...(spec.type === 'ExternalName' ? {} : { selector: { app } }),
      ...spec,
    },
  };
}
