import type { Context } from '#base/context';
import type { GroupVersionResource, KubeList, KubeObject, WatchEvent } from '#api/machinery/object';
import type {
  DeleteOptions,
  Draft,
  KubeClient,
  ListOptions,
  PatchOptions,
  PatchType,
  ResourceClient,
} from './client.ts';
import type { Transport, TransportRequest } from './transport.ts';

/** Resources without a namespace, among those that components name. */
const clusterScoped: ReadonlySet<string> = new Set([
  '/nodes',
  '/namespaces',
  '/persistentvolumes',
  'rbac.authorization.k8s.io/clusterroles',
  'rbac.authorization.k8s.io/clusterrolebindings',
  'scheduling.k8s.io/priorityclasses',
  'authentication.k8s.io/tokenreviews',
  'authentication.k8s.io/selfsubjectreviews',
  'authorization.k8s.io/subjectaccessreviews',
  'authorization.k8s.io/selfsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectrulesreviews',
]);

const patchContentTypes: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

/** Whether objects of `resource` live outside namespaces. */
export function isClusterScoped(resource: GroupVersionResource): boolean {
  return clusterScoped.has(`${resource.group}/${resource.resource}`);
}

/**
 * The REST path of a resource, of one of its objects, or of a subresource. An empty `namespace` means all namespaces;
 * for cluster-scoped resources it is ignored.
 */
export function resourcePath(
  resource: GroupVersionResource,
  namespace: string,
  name?: string,
  subresource?: string,
): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const scope = namespace && !isClusterScoped(resource) ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const item = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  return `${root}${scope}/${resource.resource}${item}${subresource ? `/${subresource}` : ''}`;
}

/** {@link KubeClient} over any {@link Transport} (client-go `rest` and `kubernetes/typed`, release 1.36). */
export class RestClient implements KubeClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  resource<T extends KubeObject>(resource: GroupVersionResource): ResourceClient<T> {
    return new RestResourceClient<T>(this.#transport, resource);
  }
}

class RestResourceClient<T extends KubeObject> implements ResourceClient<T> {
  readonly resource: GroupVersionResource;
  readonly #transport: Transport;

  constructor(transport: Transport, resource: GroupVersionResource) {
    this.#transport = transport;
    this.resource = resource;
  }

  get(context: Context, namespace: string, name: string): Promise<T> {
    return this.#send<T>(context, { method: 'GET', path: resourcePath(this.resource, namespace, name) });
  }

  async list(context: Context, options: ListOptions = {}): Promise<KubeList<T>> {
    const path = resourcePath(this.resource, options.namespace ?? '');
    return withKinds(await this.#send<KubeList<T>>(context, { method: 'GET', path, query: listQuery(options) }));
  }

  async watch(
    context: Context,
    options: ListOptions & { readonly allowWatchBookmarks?: boolean } = {},
  ): Promise<AsyncIterable<WatchEvent<T>>> {
    const query = listQuery(options);
    if (options.allowWatchBookmarks) query['allowWatchBookmarks'] = 'true';
    const path = resourcePath(this.resource, options.namespace ?? '');
    const events = await this.#transport.watch(context, { method: 'GET', path, query });
    return events as AsyncIterable<WatchEvent<T>>;
  }

  create(context: Context, object: Draft<T>): Promise<T> {
    const path = resourcePath(this.resource, object.metadata.namespace ?? '');
    return this.#send<T>(context, { method: 'POST', path, body: object });
  }

  update(context: Context, object: T): Promise<T> {
    return this.#put(context, object);
  }

  updateStatus(context: Context, object: T): Promise<T> {
    return this.#put(context, object, 'status');
  }

  updateSubresource(context: Context, object: T, subresource: string): Promise<T> {
    return this.#put(context, object, subresource);
  }

  patch(
    context: Context,
    namespace: string,
    name: string,
    type: PatchType,
    patch: unknown,
    options: PatchOptions = {},
  ): Promise<T> {
    const query: Record<string, string> = {};
    if (options.fieldManager) query['fieldManager'] = options.fieldManager;
    if (options.force !== undefined) query['force'] = String(options.force);
    const path = resourcePath(this.resource, namespace, name, options.subresource);
    return this.#send<T>(context, { method: 'PATCH', path, query, body: patch, contentType: patchContentTypes[type] });
  }

  async delete(context: Context, namespace: string, name: string, options: DeleteOptions = {}): Promise<void> {
    const path = resourcePath(this.resource, namespace, name);
    await this.#send(context, { method: 'DELETE', path, body: deleteBody(options) });
  }

  async deleteCollection(context: Context, options: ListOptions & DeleteOptions): Promise<void> {
    const path = resourcePath(this.resource, options.namespace ?? '');
    await this.#send(context, { method: 'DELETE', path, query: listQuery(options), body: deleteBody(options) });
  }

  createSubresource(
    context: Context,
    namespace: string,
    name: string,
    subresource: string,
    body: KubeObject,
  ): Promise<unknown> {
    const path = resourcePath(this.resource, namespace, name, subresource);
    return this.#send(context, { method: 'POST', path, body });
  }

  #put(context: Context, object: T, subresource?: string): Promise<T> {
    const { namespace = '', name = '' } = object.metadata;
    const path = resourcePath(this.resource, namespace, name, subresource);
    return this.#send<T>(context, { method: 'PUT', path, body: object });
  }

  async #send<R = unknown>(context: Context, request: TransportRequest): Promise<R> {
    // The server decides what it answers with: this is where a decoded body gets its type.
    return (await this.#transport.request(context, request)) as R;
  }
}

function listQuery(options: ListOptions): Record<string, string> {
  const query: Record<string, string> = {};
  if (options.labelSelector) query['labelSelector'] = options.labelSelector;
  if (options.fieldSelector) query['fieldSelector'] = options.fieldSelector;
  if (options.limit) query['limit'] = String(options.limit);
  if (options.continue) query['continue'] = options.continue;
  if (options.resourceVersion) query['resourceVersion'] = options.resourceVersion;
  if (options.resourceVersionMatch) query['resourceVersionMatch'] = options.resourceVersionMatch;
  return query;
}

function deleteBody(options: DeleteOptions): unknown {
  const { gracePeriodSeconds, propagationPolicy, preconditions } = options;
  if (gracePeriodSeconds === undefined && !propagationPolicy && !preconditions) return undefined;
  return {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy ? { propagationPolicy } : {}),
    ...(preconditions ? { preconditions } : {}),
  };
}

/** Items of an encoded list do not say what they are; an Event about one must. In process they do, and stay as they are. */
function withKinds<T extends KubeObject>(list: KubeList<T>): KubeList<T> {
  const { kind, apiVersion, items } = list;
  if (items.every((item) => item.kind)) return list;
  const about = { kind: kind.replace(/List$/, ''), apiVersion };
  return { ...list, items: items.map((item) => ({ ...item, ...about })) };
}
