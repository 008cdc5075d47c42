import { StatusError } from '#api/machinery/status';
import type { Clock } from '#base/clock';
import type { Component, ComponentState } from '#base/component';
import { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { Ipv4Block } from '#base/ip';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { EtcdClient } from '#etcd/client';
import { requireAllowed } from './auth/authorizer.ts';
import { ApiServerMetrics } from './api-server-metrics.ts';
import type { ApiServerDelegates, CachedObjects } from './delegates.ts';
import { parseRequestInfo, type RequestInfo } from './http/request-info.ts';
import { assembleRegistry, type AssembledRegistry } from './registry/assembly.ts';
import { unknownResource } from './registry/responses.ts';
import type { ApiHandler, ApiRequest, ApiResponse } from './request.ts';

/** Work to do once the server can serve, before it says that it does: the objects every cluster begins with. */
export type PostStartHook = (context: Context, handler: ApiHandler) => Promise<void>;

export interface ApiServerOptions {
  /** Unique in its cluster, for example `kube-apiserver/master-1`. */
  readonly name: string;
  readonly etcd: EtcdClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Where cluster IPs of Services come from. */
  readonly serviceCidr: Ipv4Block;
  readonly delegates: (objects: CachedObjects) => ApiServerDelegates;
  readonly postStartHooks: readonly PostStartHook[];
}

/** One life of the server, from start to stop or crash. */
interface Life extends AssembledRegistry {
  readonly context: Context;
  readonly end: () => void;
}

/**
 * kube-apiserver without its listener: authorises, admits, validates, stores, answers. It holds nothing that is not in the
 * store, so any number of servers can share one store, and a killed one loses nothing that it acknowledged.
 */
export class ApiServer implements Component, ApiHandler {
  readonly name: string;
  readonly metrics: ApiServerMetrics;
  readonly #options: ApiServerOptions;
  readonly #delegates: ApiServerDelegates;
  #state: ComponentState = 'stopped';
  #life: Life | undefined;

  constructor(options: ApiServerOptions) {
    this.name = options.name;
    this.#options = options;
    this.metrics = new ApiServerMetrics({
      watchers: () => this.#life?.resources.watchers() ?? new Map(),
      openWatches: () => this.#life?.resources.openWatches() ?? [],
    });
    this.#delegates = options.delegates(this.objects);
  }

  get state(): ComponentState {
    return this.#state;
  }

  /** The server's watch caches, for its delegates and for composition. */
  readonly objects: CachedObjects = {
    list: (group, resource, namespace) => this.#life?.resources.list(group, resource, namespace) ?? [],
    get: (group, resource, namespace, name) => this.#life?.resources.get(group, resource, namespace, name),
  };

  /** Resolves when {@link objects} has everything of a resource that was stored before the call. Throws StatusError. */
  async catchUp(context: Context, group: string, resource: string): Promise<void> {
    await this.#life?.resources.catchUp(context, group, resource);
  }

  async start(context: Context): Promise<void> {
    if (this.#state === 'running' || this.#state === 'starting') return;
    this.#state = 'starting';
    const life = this.#newLife();
    this.#life = life;
    try {
      await life.resources.start(context);
      for (const hook of this.#options.postStartHooks) await hook(context, this);
      if (this.#life !== life) throw new CancelledError('cancelled', `${this.name} was stopped while it started`);
      this.#state = 'running';
    } catch (error) {
      if (this.#life === life) this.#end('stopped');
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#end('stopped');
  }

  crash(): void {
    this.#end('crashed');
  }

  async handle(context: Context, request: ApiRequest): Promise<ApiResponse> {
    const life = this.#life;
    if (!life) throw new StatusError('ServiceUnavailable', 'the server is currently unable to handle the request');
    const info = parseRequestInfo(request.method, request.path, request.query);
    const finished = this.metrics.started(info);
    // The request ends with the server as well as with its client.
    const bounded = context.withCancel();
    const ending = life.context.onEnd(bounded.cancel);
    try {
      const response = await this.#answer(bounded.context, life, request, info);
      finished('status' in response ? response.status : response.kind === 'upgrade' ? 101 : 200);
      if (response.kind === 'object' || response.kind === 'text') bounded.cancel();
      return response;
    } catch (error) {
      const failure = this.#explain(error, life, context);
      finished(failure instanceof StatusError ? failure.code : 499);
      bounded.cancel();
      throw failure;
    } finally {
      if (bounded.context.ended) ending.dispose();
      else bounded.context.onEnd(() => ending.dispose());
    }
  }

  async #answer(context: Context, life: Life, request: ApiRequest, info: RequestInfo): Promise<ApiResponse> {
    await requireAllowed(context, this.#delegates.authorizer, { user: request.user, ...info });
    if (!info.isResourceRequest) {
      const answer = await this.#delegates.nonResource(context, request, info);
      if (!answer) throw unknownResource();
      return answer;
    }
    const served = life.resources.find(info.group, info.version, info.resource);
    if (!served) throw unknownResource();
    return life.dispatcher.dispatch({ context, request, info, served });
  }

  /** What the caller is told: StatusErrors as they are, ends of contexts by whose end it was, bugs as InternalError. */
  #explain(error: unknown, life: Life, context: Context): unknown {
    if (error instanceof StatusError) return error;
    if (error instanceof CancelledError) {
      if (context.ended || !life.context.ended) return error;
      return new StatusError('ServiceUnavailable', 'the server is shutting down', undefined, { cause: error });
    }
    const stack = error instanceof Error ? error.stack : undefined;
    this.#options.logger.error('a request met a bug', { error: messageOf(error), stack });
    return new StatusError('InternalError', `Internal error occurred: ${messageOf(error)}`, undefined, {
      cause: error,
    });
  }

  #newLife(): Life {
    const { name, etcd, clock, random, logger, serviceCidr } = this.#options;
    const { context, cancel } = Context.background().withCancel();
    const assembled = assembleRegistry({ name, etcd, clock, random, logger, serviceCidr, delegates: this.#delegates });
    return { ...assembled, context, end: cancel };
  }

  #end(state: 'stopped' | 'crashed'): void {
    const life = this.#life;
    this.#life = undefined;
    if (life || this.#state !== 'stopped') this.#state = state;
    life?.resources.stop();
    life?.end();
  }
}
