import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Pod } from '#api/gen/types';
import { StatusError } from '#api/machinery/status';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { portChannelProtocol, servePortChannels } from '#streaming/port-channels';
import { remoteCommandProtocols, serveRemoteCommand } from '#streaming/remote-command';
import { acceptWebSocket } from '#streaming/web-socket';
import type { KubeletServer } from '../server.ts';
import { containerPath, execOptionsOf, logRequestOf, notFound, podPath, portOf } from './requests.ts';

export interface KubeletAnswer {
  readonly contentType: string;
  readonly body: string | AsyncIterable<Uint8Array>;
}

/** A connection that asks for another protocol. */
export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** What the routes lead to. */
export interface KubeletRoutesOptions {
  readonly server: KubeletServer;
  /** Pods of this node with the statuses decided on last. */
  readonly pods: () => readonly Pod[];
  /** In the text format of Prometheus. */
  readonly metrics: (context: Context) => Promise<string>;
  /** `stats.k8s.io/v1alpha1` Summary. */
  readonly summary: (context: Context) => Promise<unknown>;
}

/** The paths of the kubelet's port. Throws StatusError before it answers. */
export class KubeletRoutes {
  readonly #options: KubeletRoutesOptions;

  constructor(options: KubeletRoutesOptions) {
    this.#options = options;
  }

  async get(context: Context, { pathname, searchParams }: URL): Promise<KubeletAnswer> {
    const [first = ''] = pathname.split('/').filter(Boolean);
    const json = (value: unknown): KubeletAnswer => ({
      contentType: 'application/json',
      body: JSON.stringify(value),
    });
    switch (first) {
      case 'healthz':
        return { contentType: 'text/plain; charset=utf-8', body: 'ok' };
      case 'pods':
        return json({ apiVersion: 'v1', kind: 'PodList', metadata: {}, items: this.#options.pods() });
      case 'metrics':
        return {
          contentType: 'text/plain; version=0.0.4; charset=utf-8',
          body: await this.#options.metrics(context),
        };
      case 'stats':
        if (pathname !== '/stats/summary') throw notFound();
        return json(await this.#options.summary(context));
      case 'containerLogs': {
        const chunks = await this.#options.server.logs(context, logRequestOf(pathname, searchParams));
        return { contentType: 'text/plain', body: chunks };
      }
      default:
        throw notFound();
    }
  }

  /** Serves one stream to its end. Throws StatusError while the client can still be answered over HTTP. */
  async upgrade(context: Context, { pathname, searchParams }: URL, upgrade: UpgradeRequest): Promise<void> {
    const [first = ''] = pathname.split('/').filter(Boolean);
    if (first === 'exec' || first === 'attach') {
      await this.#remoteCommand(context, first, pathname, searchParams, upgrade);
    } else if (first === 'portForward') await this.#portForward(context, pathname, searchParams, upgrade);
    else throw notFound();
  }

  async #remoteCommand(
    context: Context,
    what: 'exec' | 'attach',
    path: string,
    query: URLSearchParams,
    upgrade: UpgradeRequest,
  ): Promise<void> {
    const protocol = agreeOn(upgrade.request, remoteCommandProtocols);
    const { namespace, pod, container } = containerPath(path);
    const options = execOptionsOf(query);
    if (what === 'exec' && options.command.length === 0) {
      throw new StatusError('BadRequest', 'you must specify at least one command for the exec');
    }
    const session = await this.#options.server[what](context, namespace, pod, container, options);
    const socket = await acceptWebSocket(upgrade.request, upgrade.socket, upgrade.head, protocol);
    await serveRemoteCommand(socket, options, async () => session, streamStatusOf);
    socket.close(1000);
  }

  async #portForward(context: Context, path: string, query: URLSearchParams, upgrade: UpgradeRequest): Promise<void> {
    const protocol = agreeOn(upgrade.request, [portChannelProtocol]);
    const { namespace, pod } = podPath(path);
    const port = portOf(query);
    const connection = await this.#options.server.portForward(context, namespace, pod, port);
    const socket = await acceptWebSocket(upgrade.request, upgrade.socket, upgrade.head, protocol);
    await servePortChannels(socket, port, connection);
    socket.close(1000);
  }
}

/** The first of the client's subprotocols that is served. Throws BadRequest when there is none. */
function agreeOn(request: IncomingMessage, served: readonly string[]): string {
  if ((request.headers.upgrade ?? '').toLowerCase() !== 'websocket') {
    throw new StatusError('BadRequest', `unable to upgrade to ${JSON.stringify(request.headers.upgrade ?? '')}`);
  }
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const agreed = offered.find((name) => served.includes(name));
  if (agreed) return agreed;
  throw new StatusError('BadRequest', `none of the subprotocols ${offered.join(', ')} is served`);
}

function streamStatusOf(error: unknown): unknown {
  if (error instanceof StatusError) return error.toStatus();
  return new StatusError('InternalError', messageOf(error)).toStatus();
}
