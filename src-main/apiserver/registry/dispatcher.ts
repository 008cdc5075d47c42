import { findSubresource } from '#api/resources/table';
import type { Clock } from '#base/clock';
import type { AdmissionChain } from '../admission/admission.ts';
import type { ApiServerDelegates } from '../delegates.ts';
import type { ApiResponse } from '../request.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { parseProxyName } from '../streaming/http-proxy.ts';
import { readBody } from './body.ts';
import type { Deletes } from './deletes.ts';
import type { ObjectVerbs } from './object-verbs.ts';
import type { ObjectEditor } from './patching.ts';
import type { Reads } from './reads.ts';
import { methodNotAllowed, objectResponse, unknownResource } from './responses.ts';
import type { RequestScope } from './scope.ts';
import type { ServedResource } from './served-resource.ts';
import { bindPod } from './subresources/binding.ts';
import { writeEphemeralContainers } from './subresources/ephemeral-containers.ts';
import type { EvictionSubresource } from './subresources/eviction.ts';
import { finalizeNamespace } from './subresources/finalize.ts';
import type { ScaleSubresource } from './subresources/scale.ts';

export interface DispatcherOptions {
  readonly store: ObjectStore;
  readonly reads: Reads;
  readonly verbs: ObjectVerbs;
  readonly editor: ObjectEditor;
  readonly deletes: Deletes;
  readonly scale: ScaleSubresource;
  readonly eviction: EvictionSubresource;
  readonly delegates: ApiServerDelegates;
  /** Looks at requests for tokens of service accounts. */
  readonly tokenAdmission: AdmissionChain;
  readonly pods: ServedResource;
  readonly clock: Clock;
}

const streamed = new Set(['log', 'exec', 'attach', 'portforward', 'proxy']);

/** Finds who answers a request that is authorised and names a served resource. */
export class Dispatcher {
  readonly #options: DispatcherOptions;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  async dispatch(scope: RequestScope): Promise<ApiResponse> {
    const { served, info } = scope;
    // A namespace itself counts as one inside it.
    if (!served.namespaced && info.namespace && served.resource !== 'namespaces') throw unknownResource();
    if (info.subresource) return this.#subresource(scope);
    if (!served.cache) return this.#review(scope);
    const { reads, verbs, deletes } = this.#options;
    if (!served.definition.verbs.some((verb) => verb === info.verb)) throw methodNotAllowed();
    switch (info.verb) {
      case 'get':
        return objectResponse(await reads.get(scope));
      case 'list':
        return objectResponse(await reads.list(scope));
      case 'watch':
        return { kind: 'watch', events: await reads.watch(scope) };
      case 'create':
        if (served.namespaced && !info.namespace) throw methodNotAllowed();
        return verbs.create(scope);
      case 'update':
        return verbs.put(scope, false);
      case 'patch':
        return verbs.patch(scope, false);
      case 'delete':
        return deletes.delete(scope);
      case 'deletecollection':
        return objectResponse(await deletes.deleteCollection(scope));
      default:
        throw methodNotAllowed();
    }
  }

  async #review(scope: RequestScope): Promise<ApiResponse> {
    const { context, request, served, info } = scope;
    if (info.verb !== 'create') throw methodNotAllowed();
    if (served.resource === 'bindings') return this.#bindByName(scope);
    const body = readBody(request.body, served.apiVersion, served.kind);
    return objectResponse(await this.#options.delegates.reviews.create(context, request, body), 201);
  }

  /** The old way to bind: the pod's name is in the body instead of the path. */
  async #bindByName(scope: RequestScope): Promise<ApiResponse> {
    const { store, clock, pods } = this.#options;
    const { name = '' } = readBody(scope.request.body, 'v1', 'Binding').metadata;
    const info = { ...scope.info, resource: 'pods', name, subresource: 'binding' };
    return bindPod({ ...scope, served: pods, info }, store, clock);
  }

  async #subresource(scope: RequestScope): Promise<ApiResponse> {
    const { context, request, served, info } = scope;
    const { reads, delegates } = this.#options;
    const subresource = findSubresource(served.definition, info.subresource);
    if (!subresource) throw unknownResource();
    if (streamed.has(info.subresource)) {
      // A proxied name carries the port, and may carry a scheme.
      const name = info.subresource === 'proxy' ? parseProxyName(info.name).name : info.name;
      const object = await reads.get(plainGet({ ...scope, info: { ...info, name } }));
      return delegates.streams.handle(context, request, info, object);
    }
    if (!subresource.verbs.some((verb) => verb === info.verb)) throw methodNotAllowed();
    const handler = this.#handlers[`${served.resource}/${info.subresource}`] ?? this.#handlers[`*/${info.subresource}`];
    const answer = handler?.(scope);
    if (!answer) throw unknownResource();
    return answer;
  }

  /** By `resource/subresource`, or for every resource that has it. */
  readonly #handlers: Readonly<Record<string, (scope: RequestScope) => Promise<ApiResponse>>> = {
    '*/status': (scope) => this.#status(scope),
    'certificatesigningrequests/approval': (scope) => this.#status(scope),
    '*/scale': (scope) => this.#scale(scope),
    'pods/binding': (scope) => bindPod(scope, this.#options.store, this.#options.clock),
    'pods/ephemeralcontainers': (scope) => this.#ephemeralContainers(scope),
    'pods/eviction': (scope) => this.#options.eviction.create(scope),
    'namespaces/finalize': (scope) => finalizeNamespace(scope, this.#options.store),
    'serviceaccounts/token': (scope) => this.#token(scope),
  };

  async #status(scope: RequestScope): Promise<ApiResponse> {
    const { reads, verbs } = this.#options;
    if (scope.info.verb === 'get') return objectResponse(await reads.get(scope));
    return scope.info.verb === 'update' ? verbs.put(scope, true) : verbs.patch(scope, true);
  }

  async #scale(scope: RequestScope): Promise<ApiResponse> {
    const { scale } = this.#options;
    if (scope.info.verb === 'get') return scale.get(scope);
    return scope.info.verb === 'update' ? scale.put(scope) : scale.patch(scope);
  }

  async #ephemeralContainers(scope: RequestScope): Promise<ApiResponse> {
    const { reads, store, editor } = this.#options;
    if (scope.info.verb === 'get') return objectResponse(await reads.get(scope));
    return writeEphemeralContainers(scope, store, editor);
  }

  async #token(scope: RequestScope): Promise<ApiResponse> {
    const account = await this.#options.reads.get(plainGet(scope));
    const body = readBody(scope.request.body, 'authentication.k8s.io/v1', 'TokenRequest');
    const { context, request, served, info } = scope;
    const { namespace, name, subresource } = info;
    const about = { context, user: request.user, served, namespace, name, subresource, object: body, old: undefined };
    await this.#options.tokenAdmission.validate({ ...about, operation: 'CREATE' });
    return objectResponse(await this.#options.delegates.tokens.issue(scope.context, account, body), 201);
  }
}

/** Reads the object itself, newest version, whatever the query is meant for. */
function plainGet(scope: RequestScope): RequestScope {
  return { ...scope, request: { ...scope.request, query: new URLSearchParams() } };
}
