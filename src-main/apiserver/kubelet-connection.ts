import type { Context } from '#base/context';
import type { ByteStream, ExecOptions, ExecSession } from '#base/streams';

export interface PodLogRequest {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
}

/**
 * What the API server asks of one node's kubelet (its port 10250). In process for embedded nodes, HTTPS for real ones; the
 * implementation is handed in by `cluster/`. Throws StatusError: NotFound for an unknown pod or container, BadRequest for
 * a container that has not started, ServiceUnavailable (code 502 or 503) when the kubelet cannot be reached.
 */
export interface KubeletConnection {
  logs(context: Context, request: PodLogRequest): Promise<AsyncIterable<Uint8Array>>;
  exec(context: Context, namespace: string, pod: string, container: string, options: ExecOptions): Promise<ExecSession>;
  attach(
    context: Context,
    namespace: string,
    pod: string,
    container: string,
    options: ExecOptions,
  ): Promise<ExecSession>;
  /** One connection to `port` inside the pod's network. */
  portForward(context: Context, namespace: string, pod: string, port: number): Promise<ByteStream>;
  /** A connection that speaks HTTP with the kubelet's port, already secured; simulated kubelets have no port. */
  dial?(context: Context): Promise<ByteStream>;
}

/** Finds the kubelet of a node by the node's name. Throws StatusError when the node is unknown or cannot be reached. */
export type KubeletLocator = (context: Context, nodeName: string) => Promise<KubeletConnection>;
