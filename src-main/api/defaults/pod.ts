import type { Container, EphemeralContainer, Pod, PodSpec, PodTemplateSpec, Probe, Volume } from '#api/gen/types';

/** Defaults of pods and what they are made of (`pkg/apis/core/v1/defaults.go`, release 1.36). */

type AnyContainer = Container | EphemeralContainer;

/** `value` with `defaults` for what is missing; the same object when nothing is. */
export function withDefaults<T extends object>(value: T, defaults: Partial<T>): T {
  const keys = Object.keys(defaults) as (keyof T)[];
  const missing = keys.filter((key) => value[key] === undefined && defaults[key] !== undefined);
  if (missing.length === 0) return value;
  const result = { ...value };
  for (const key of missing) result[key] = defaults[key] as T[keyof T];
  return result;
}

/** Maps a list; the same list when no item changed. */
export function mapShared<T>(items: readonly T[] | undefined, change: (item: T) => T): readonly T[] | undefined {
  if (!items) return items;
  const result = items.map(change);
  return result.every((item, index) => item === items[index]) ? items : result;
}

/** Replaces the fields of `changes` that differ; the same object when none does. */
export function replaceFields<T extends object>(value: T, changes: Partial<T>): T {
  const keys = (Object.keys(changes) as (keyof T)[]).filter((key) => changes[key] !== value[key]);
  return keys.length === 0 ? value : { ...value, ...changes };
}

/** `Always` for an image without tag or digest, or with `latest`. */
function defaultPullPolicy(image: string | undefined): string {
  const reference = image ?? '';
  if (reference.includes('@')) return 'IfNotPresent';
  const name = reference.slice(reference.lastIndexOf('/') + 1);
  const tag = name.includes(':') ? name.slice(name.lastIndexOf(':') + 1) : 'latest';
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

function defaultProbe(probe: Probe | undefined): Probe | undefined {
  if (!probe) return probe;
  const filled = withDefaults(probe, {
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  });
  const { httpGet, grpc } = filled;
  return replaceFields(filled, {
    ...(httpGet ? { httpGet: withDefaults(httpGet, { path: '/', scheme: 'HTTP' }) } : {}),
    ...(grpc ? { grpc: withDefaults(grpc, { service: '' }) } : {}),
  });
}

/** A limit without a request is also the request. */
function defaultRequests(resources: Container['resources']): Container['resources'] {
  const limits = Object.entries(resources?.limits ?? {});
  const requests = resources?.requests ?? {};
  const missing = limits.filter(([name]) => requests[name] === undefined);
  if (missing.length === 0) return resources ?? {};
  return { ...resources, requests: { ...requests, ...Object.fromEntries(missing) } };
}

function defaultLifecycle(lifecycle: Container['lifecycle']): Container['lifecycle'] {
  if (!lifecycle) return lifecycle;
  const handler = (one: NonNullable<typeof lifecycle.postStart> | undefined) =>
    one?.httpGet ? replaceFields(one, { httpGet: withDefaults(one.httpGet, { path: '/', scheme: 'HTTP' }) }) : one;
  const [postStart, preStop] = [handler(lifecycle.postStart), handler(lifecycle.preStop)];
  return replaceFields(lifecycle, { ...(postStart ? { postStart } : {}), ...(preStop ? { preStop } : {}) });
}

function defaultEnv(env: Container['env']): Container['env'] {
  return mapShared(env, (variable) => {
    const fieldRef = variable.valueFrom?.fieldRef;
    if (!fieldRef || fieldRef.apiVersion !== undefined) return variable;
    return { ...variable, valueFrom: { ...variable.valueFrom, fieldRef: { apiVersion: 'v1', ...fieldRef } } };
  });
}

function defaultContainer<T extends AnyContainer>(container: T): T {
  const filled = withDefaults<AnyContainer>(container, {
    imagePullPolicy: defaultPullPolicy(container.image),
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  });
  const { livenessProbe, readinessProbe, startupProbe, ports, env, lifecycle } = filled;
  const changed = replaceFields<AnyContainer>(filled, {
    ...(ports ? { ports: mapShared(ports, (port) => withDefaults(port, { protocol: 'TCP' })) } : {}),
    ...(env ? { env: defaultEnv(env) } : {}),
    ...(livenessProbe ? { livenessProbe: defaultProbe(livenessProbe) } : {}),
    ...(readinessProbe ? { readinessProbe: defaultProbe(readinessProbe) } : {}),
    ...(startupProbe ? { startupProbe: defaultProbe(startupProbe) } : {}),
    ...(lifecycle ? { lifecycle: defaultLifecycle(lifecycle) } : {}),
    resources: defaultRequests(filled.resources),
  });
  return changed as T;
}

const defaultMode = 0o644;

function defaultVolume(volume: Volume): Volume {
  const { name, ...sources } = volume;
  if (Object.keys(sources).length === 0) return { name, emptyDir: {} };
  const { secret, configMap, downwardAPI, projected, hostPath } = volume;
  return replaceFields(volume, {
    ...(secret ? { secret: withDefaults(secret, { defaultMode }) } : {}),
    ...(configMap ? { configMap: withDefaults(configMap, { defaultMode }) } : {}),
    ...(downwardAPI
      ? {
          downwardAPI: replaceFields(withDefaults(downwardAPI, { defaultMode }), {
            items: fieldRefItems(downwardAPI.items),
          }),
        }
      : {}),
    ...(projected ? { projected: defaultProjected(projected) } : {}),
    ...(hostPath ? { hostPath: withDefaults(hostPath, { type: '' }) } : {}),
  });
}

type DownwardItems = NonNullable<Volume['downwardAPI']>['items'];

function fieldRefItems(items: DownwardItems): DownwardItems {
  return mapShared(items, (item) =>
    item.fieldRef && item.fieldRef.apiVersion === undefined
      ? { ...item, fieldRef: { apiVersion: 'v1', ...item.fieldRef } }
      : item,
  );
}

function defaultProjected(projected: NonNullable<Volume['projected']>): NonNullable<Volume['projected']> {
  const sources = mapShared(projected.sources, (source) => {
    const { serviceAccountToken, downwardAPI } = source;
    return replaceFields(source, {
      ...(serviceAccountToken
        ? { serviceAccountToken: withDefaults(serviceAccountToken, { expirationSeconds: 3600 }) }
        : {}),
      ...(downwardAPI ? { downwardAPI: replaceFields(downwardAPI, { items: fieldRefItems(downwardAPI.items) }) } : {}),
    });
  });
  return replaceFields(withDefaults(projected, { defaultMode }), sources ? { sources } : {});
}

/** What pods and pod templates have in common. */
function defaultPodSpec(spec: PodSpec): PodSpec {
  const { serviceAccountName, serviceAccount } = spec;
  const account = serviceAccountName ?? serviceAccount;
  const filled = withDefaults(spec, {
    dnsPolicy: 'ClusterFirst',
    restartPolicy: 'Always',
    schedulerName: 'default-scheduler',
    securityContext: {},
    terminationGracePeriodSeconds: 30,
    ...(account === undefined ? {} : { serviceAccountName: account, serviceAccount: account }),
  });
  const { containers, initContainers, ephemeralContainers, volumes } = filled;
  const hostPorts = (container: Container): Container => (filled.hostNetwork ? withHostPorts(container) : container);
  return replaceFields(filled, {
    ...(containers ? { containers: mapShared(containers, (one) => hostPorts(defaultContainer(one))) ?? [] } : {}),
    ...(initContainers ? { initContainers: mapShared(initContainers, (one) => hostPorts(defaultContainer(one))) } : {}),
    ...(ephemeralContainers ? { ephemeralContainers: mapShared(ephemeralContainers, defaultContainer) } : {}),
    ...(volumes ? { volumes: mapShared(volumes, defaultVolume) } : {}),
  });
}

function withHostPorts(container: Container): Container {
  const ports = mapShared(container.ports, (port) => withDefaults(port, { hostPort: port.containerPort }));
  return ports ? replaceFields(container, { ports }) : container;
}

export function defaultTemplate<T extends PodTemplateSpec | undefined>(template: T): T {
  if (!template?.spec) return template;
  return replaceFields<PodTemplateSpec>(template, { spec: defaultPodSpec(template.spec) }) as T;
}

/** A pod of its own: as the template, and service links are on, and tolerations and priority are left to admission. */
export function defaultPod(pod: Pod): Pod {
  if (typeof pod.spec !== 'object' || pod.spec === null) return pod;
  return replaceFields(pod, { spec: withDefaults(defaultPodSpec(pod.spec), { enableServiceLinks: true }) });
}
