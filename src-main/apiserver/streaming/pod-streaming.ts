import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { ByteStream } from '#base/streams';
import type { KubeObject } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import { remoteCommandProtocols, serveRemoteCommand } from '#streaming/remote-command';
import type { CachedObjects } from '../delegates.ts';
import type { RequestInfo } from '../http/request-info.ts';
import type { KubeletLocator } from '../kubelet-connection.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';
import { HttpProxy } from './http-proxy.ts';
import { logRequestOf } from './pod-logs.ts';
import { requireNode, targetOf } from './pod-target.ts';
import { portForwardProtocols, servePortForward } from './port-forward.ts';
import { execOptionsOf, streamStatusOf } from './remote-command.ts';

export interface PodStreamingOptions {
  readonly kubelets: KubeletLocator;
  readonly objects: Pick<CachedObjects, 'list'>;
  readonly logger: Logger;
}

/** The subresources of pods whose answers are bytes that flow: `log`, `exec`, `attach`, `portforward`, `proxy`; the last of Nodes and Services too. */
export class PodStreaming {
  readonly #options: PodStreamingOptions;
  readonly #proxy: HttpProxy;

  constructor(options: PodStreamingOptions) {
    this.#options = options;
    this.#proxy = new HttpProxy(options);
  }

  /** `object` is what the URL names. Throws StatusError. */
  async handle(context: Context, request: ApiRequest, info: RequestInfo, object: KubeObject): Promise<ApiResponse> {
    switch (info.subresource) {
      case 'log':
        return this.#logs(context, request, object);
      case 'exec':
      case 'attach':
        return this.#remoteCommand(context, request, info.subresource, object);
      case 'portforward':
        return this.#portForward(context, object);
      case 'proxy':
        return this.#proxy.handle(context, request, info, object);
      default:
        throw new StatusError('NotFound', 'the server could not find the requested resource');
    }
  }

  async #logs(context: Context, { query }: ApiRequest, object: KubeObject): Promise<ApiResponse> {
    const target = targetOf(object, query.get('container') ?? '');
    const request = logRequestOf(target, query);
    const answer = { kind: 'bytes', status: 200, contentType: 'text/plain' } as const;
    // A pod without a node has written nothing, and that is no error.
    if (target.nodeName === undefined) return { ...answer, chunks: nothing() };
    const kubelet = await this.#options.kubelets(context, target.nodeName);
    return { ...answer, chunks: await kubelet.logs(context, request) };
  }

  #remoteCommand(
    context: Context,
    { query }: ApiRequest,
    subresource: 'exec' | 'attach',
    object: KubeObject,
  ): ApiResponse {
    const { namespace, pod, container, ...target } = targetOf(object, query.get('container') ?? '');
    const nodeName = requireNode({ pod, ...target });
    const options = execOptionsOf(query, subresource);
    const open = async () => {
      const kubelet = await this.#options.kubelets(context, nodeName);
      return kubelet[subresource](context, namespace, pod, container, options);
    };
    return {
      kind: 'upgrade',
      protocols: remoteCommandProtocols,
      serve: (socket) => serveRemoteCommand(socket, options, open, streamStatusOf),
    };
  }

  #portForward(context: Context, object: KubeObject): ApiResponse {
    const { name: pod = '', namespace = '' } = object.metadata;
    const nodeName = requireNode({ pod, nodeName: nodeNameOf(object) });
    const dial = async (port: number): Promise<ByteStream> => {
      const kubelet = await this.#options.kubelets(context, nodeName);
      return kubelet.portForward(context, namespace, pod, port);
    };
    const { logger } = this.#options;
    return {
      kind: 'upgrade',
      protocols: portForwardProtocols,
      serve: (socket) => servePortForward(socket, { pod, logger, dial }),
    };
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // Ends at once.
}

function nodeNameOf(object: KubeObject): string | undefined {
  return (object as { readonly spec?: { readonly nodeName?: string } }).spec?.nodeName || undefined;
}
