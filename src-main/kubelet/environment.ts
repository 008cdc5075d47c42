import type { Container, Pod, Service } from '#api/gen/types';
import type { Context } from '#base/context';
import type { Lister } from '#client/client';
import { fieldValue, resourceValue, type NodeFacts } from './field-values.ts';
import { NotYetError } from './image-manager.ts';
import type { ObjectCache } from './object-cache.ts';
import { timings } from './options.ts';

/** The variables that announce Services to a container (pkg/kubelet/envvars, release 1.36). */
export function serviceEnvironment(services: readonly Service[]): ReadonlyMap<string, string> {
  const env = new Map<string, string>();
  for (const service of services) {
    const { clusterIP = '', ports = [] } = service.spec ?? {};
    const [first] = ports;
    if (!first || clusterIP === '' || clusterIP === 'None') continue;
    const name = (service.metadata.name ?? '').toUpperCase().replaceAll('-', '_');
    env.set(`${name}_SERVICE_HOST`, clusterIP);
    env.set(`${name}_SERVICE_PORT`, String(first.port));
    for (const port of ports) {
      if (port.name) env.set(`${name}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`, String(port.port));
    }
    for (const [index, port] of ports.entries()) {
      const protocol = (port.protocol ?? 'TCP').toLowerCase();
      const url = `${protocol}://${clusterIP}:${port.port}`;
      const prefix = `${name}_PORT_${port.port}_${protocol.toUpperCase()}`;
      if (index === 0) env.set(`${name}_PORT`, url);
      env.set(prefix, url);
      env.set(`${prefix}_PROTO`, protocol);
      env.set(`${prefix}_PORT`, String(port.port));
      env.set(`${prefix}_ADDR`, clusterIP);
    }
  }
  return env;
}

/** The Services a pod hears of: `kubernetes` always, those of its namespace with service links. */
export function announcedServices(pod: Pod, lister: Lister<Service>): readonly Service[] {
  const own = pod.spec.enableServiceLinks === false ? [] : lister.list(pod.metadata.namespace ?? '');
  const master = lister.get('default/kubernetes');
  return master && !own.includes(master) ? [master, ...own] : own;
}

/** Replaces `$(NAME)` by what is known, and `$$` by `$` (third_party/forked/golang/expansion). */
export function expandReferences(text: string, known: ReadonlyMap<string, string>): string {
  return text.replace(/\$\$|\$\(([^()]+)\)/g, (match, name: string | undefined) =>
    name === undefined ? '$' : (known.get(name) ?? match),
  );
}

function configError(message: string): NotYetError {
  return new NotYetError({ reason: 'CreateContainerConfigError', message }, timings.resyncMs);
}

const variableName = /^[^=\0]+$/;

/** Builds the environment of containers. */
export class EnvironmentBuilder {
  readonly #objects: ObjectCache;
  readonly #services: Lister<Service>;
  readonly #node: NodeFacts;

  constructor(objects: ObjectCache, services: Lister<Service>, node: NodeFacts) {
    this.#objects = objects;
    this.#services = services;
    this.#node = node;
  }

  /** Throws NotYetError CreateContainerConfigError for what cannot be resolved. */
  async build(
    context: Context,
    pod: Pod,
    container: Container,
    podIP: string | undefined,
  ): Promise<ReadonlyMap<string, string>> {
    const env = new Map<string, string>();
    await this.#addSources(context, pod, container, env);
    const services = serviceEnvironment(announcedServices(pod, this.#services));
    const known = new Map([...services, ...env]);
    for (const { name, value, valueFrom } of container.env ?? []) {
      const resolved =
        valueFrom === undefined
          ? expandReferences(value ?? '', known)
          : await this.#resolve(context, pod, container, valueFrom, podIP);
      if (resolved === undefined) continue;
      env.set(name, resolved);
      known.set(name, resolved);
    }
    for (const [name, value] of services) if (!env.has(name)) env.set(name, value);
    return env;
  }

  async #addSources(context: Context, pod: Pod, container: Container, env: Map<string, string>): Promise<void> {
    const namespace = pod.metadata.namespace ?? '';
    for (const { configMapRef, secretRef, prefix = '' } of container.envFrom ?? []) {
      if (configMapRef) {
        const { name = '', optional } = configMapRef;
        const object = await this.#objects.configMap(context, namespace, name);
        if (!object && !optional) throw configError(`configmap "${name}" not found`);
        for (const [key, value] of Object.entries(object?.data ?? {})) {
          if (variableName.test(key)) env.set(prefix + key, value);
        }
      }
      if (secretRef) {
        const { name = '', optional } = secretRef;
        const object = await this.#objects.secret(context, namespace, name);
        if (!object && !optional) throw configError(`secret "${name}" not found`);
        for (const [key, value] of Object.entries(object?.data ?? {})) {
          if (variableName.test(key)) env.set(prefix + key, Buffer.from(value, 'base64').toString('utf8'));
        }
      }
    }
  }

  async #resolve(
    context: Context,
    pod: Pod,
    container: Container,
    from: NonNullable<NonNullable<Container['env']>[number]['valueFrom']>,
    podIP: string | undefined,
  ): Promise<string | undefined> {
    const namespace = pod.metadata.namespace ?? '';
    if (from.fieldRef) {
      const value = fieldValue(pod, from.fieldRef, podIP, this.#node);
      if (value === undefined) throw configError(`unsupported fieldPath: ${from.fieldRef.fieldPath}`);
      return value;
    }
    if (from.resourceFieldRef) return resourceValue(pod, container, from.resourceFieldRef, this.#node);
    if (from.configMapKeyRef) {
      const { name = '', key, optional } = from.configMapKeyRef;
      const object = await this.#objects.configMap(context, namespace, name);
      if (!object && !optional) throw configError(`configmap "${name}" not found`);
      const value = object?.data?.[key];
      if (object && value === undefined && !optional) {
        throw configError(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`);
      }
      return value;
    }
    if (from.secretKeyRef) {
      const { name = '', key, optional } = from.secretKeyRef;
      const object = await this.#objects.secret(context, namespace, name);
      if (!object && !optional) throw configError(`secret "${name}" not found`);
      const value = object?.data?.[key];
      if (object && value === undefined && !optional) {
        throw configError(`couldn't find key ${key} in Secret ${namespace}/${name}`);
      }
      return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8');
    }
    throw configError('environment variable source is not supported');
  }
}
