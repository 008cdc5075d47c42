import { request as httpRequest, type IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { ByteStream, ExecOptions, ExecSession } from '#base/streams';
import { StatusError } from '#api/machinery/status';
import { byteStreamOf, duplexOf } from '#streaming/byte-streams';
import { portChannelProtocol, portChannelStream } from '#streaming/port-channels';
import { remoteCommandSession } from '#streaming/remote-command-client';
import { HandshakeRefusedError, openWebSocket } from '#streaming/web-socket-client';
import type { WebSocketStream } from '#streaming/web-socket';
import type { KubeletConnection, PodLogRequest } from '../kubelet-connection.ts';

export interface HttpsKubeletOptions {
  /** A fresh connection to the kubelet's port: a socket, or a channel through an SSH connection. */
  readonly dial: (context: Context) => Promise<ByteStream>;
  /** PEM: the authority the kubelet's serving certificate must come from. */
  readonly ca: string;
  /** PEM: the API server's own client certificate and key. */
  readonly cert: string;
  readonly key: string;
  /** The name or address that the serving certificate must be for: the node's name. */
  readonly serverName: string;
  readonly clock: Clock;
}

/**
 * A kubelet that has just joined shows a certificate of its own until the cluster has signed one, about a second after its Node is
 * Ready. It is never trusted; it is asked again until it shows the right one.
 */
const selfSignedPatienceMs = 10_000;
const selfSignedGapMs = 100;

/**
 * {@link KubeletConnection} to a kubelet's port 10250 (k8s.io/kubernetes/pkg/kubelet/client, release 1.36). One connection
 * a call, each over TLS of its own inside whatever `dial` gives.
 */
export class HttpsKubeletConnection implements KubeletConnection {
  readonly #options: HttpsKubeletOptions;

  constructor(options: HttpsKubeletOptions) {
    this.#options = options;
  }

  async logs(context: Context, request: PodLogRequest): Promise<AsyncIterable<Uint8Array>> {
    const { namespace, pod, container, ...options } = request;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(options)) if (value !== false) query.set(name, String(value));
    const response = await this.#get(context, pathOf('containerLogs', [namespace, pod, container], query));
    return readBody(context, response);
  }

  exec(context: Context, namespace: string, pod: string, container: string, options: ExecOptions) {
    return this.#remoteCommand(context, 'exec', [namespace, pod, container], options);
  }

  attach(context: Context, namespace: string, pod: string, container: string, options: ExecOptions) {
    return this.#remoteCommand(context, 'attach', [namespace, pod, container], options);
  }

  async portForward(context: Context, namespace: string, pod: string, port: number): Promise<ByteStream> {
    const path = pathOf('portForward', [namespace, pod], new URLSearchParams({ port: String(port) }));
    return portChannelStream(await this.#open(context, path, [portChannelProtocol]));
  }

  async dial(context: Context): Promise<ByteStream> {
    return byteStreamOf(await this.#connect(context));
  }

  async #remoteCommand(
    context: Context,
    what: 'exec' | 'attach',
    names: readonly string[],
    options: ExecOptions,
  ): Promise<ExecSession> {
    const query = new URLSearchParams();
    for (const word of options.command) query.append('command', word);
    const streams = { input: options.stdin, output: options.stdout, error: options.stderr, tty: options.tty };
    for (const [name, on] of Object.entries(streams)) if (on) query.set(name, '1');
    const socket = await this.#open(context, pathOf(what, names, query), ['v5.channel.k8s.io']);
    return remoteCommandSession(socket, options, (status) => StatusError.fromWire(500, status));
  }

  /** A WebSocket that breaks when `context` ends. */
  async #open(context: Context, path: string, protocols: readonly string[]): Promise<WebSocketStream> {
    const connection = await this.#connect(context);
    try {
      return await openWebSocket(connection, this.#host, path, protocols);
    } catch (error) {
      context.check();
      if (error instanceof HandshakeRefusedError) throw statusFromText(error.status, error.body);
      throw unreachable(error);
    }
  }

  async #get(context: Context, path: string): Promise<IncomingMessage> {
    const connection = await this.#connect(context);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = httpRequest({
        ...{ method: 'GET', path, headers: { host: this.#host, connection: 'close' } },
        createConnection: () => connection,
      });
      sent.once('response', resolve);
      sent.on('error', (error) => reject(context.ended ? ended(context) : unreachable(error)));
      sent.end();
    });
    if (response.statusCode === 200) return response;
    let text = '';
    for await (const chunk of response) text += String(chunk);
    throw statusFromText(response.statusCode ?? 500, text);
  }

  async #connect(context: Context): Promise<Duplex> {
    const { clock } = this.#options;
    const endMs = clock.now() + selfSignedPatienceMs;
    for (;;) {
      try {
        return await this.#connectOnce(context);
      } catch (error) {
        if (!isSelfSigned(error) || clock.now() >= endMs) throw error;
        await clock.sleep(context, selfSignedGapMs);
      }
    }
  }

  async #connectOnce(context: Context): Promise<Duplex> {
    const { ca, cert, key, serverName } = this.#options;
    let stream: ByteStream;
    try {
      stream = await this.#options.dial(context);
    } catch (error) {
      context.check();
      throw error instanceof StatusError ? error : unreachable(error);
    }
    const name = isIP(serverName) === 0 ? { servername: serverName } : { host: serverName };
    const socket = connect({ ...{ socket: duplexOf(stream), ca, cert, key }, ...name, minVersion: 'TLSv1.2' });
    const registration = context.onEnd(() => socket.destroy(ended(context)));
    socket.once('close', () => registration.dispose());
    await secured(context, socket);
    return socket;
  }

  get #host(): string {
    return `${this.#options.serverName}:10250`;
  }
}

function isSelfSigned(error: unknown): boolean {
  const cause = error instanceof StatusError ? error.cause : undefined;
  return cause instanceof Error && (cause as NodeJS.ErrnoException).code === 'DEPTH_ZERO_SELF_SIGNED_CERT';
}

function secured(context: Context, socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve);
    // Stays on: an error that nobody awaits any more would end the process; readers hear of it by themselves.
    socket.on('error', (error) => reject(context.ended ? ended(context) : unreachable(error)));
  });
}

async function* readBody(context: Context, response: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response) yield chunk as Buffer;
  } catch (error) {
    context.check();
    throw new StatusError('InternalError', `the kubelet broke off: ${messageOf(error)}`, undefined, { cause: error });
  } finally {
    response.destroy();
  }
}

function pathOf(first: string, names: readonly string[], query: URLSearchParams): string {
  const text = query.toString();
  return `/${[first, ...names].map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`;
}

function ended(context: Context): CancelledError {
  return new CancelledError(context.endedBy ?? 'cancelled');
}

/** In the words of the API server when a node does not answer. */
function unreachable(error: unknown): StatusError {
  const text = `error dialing backend: ${messageOf(error)}`;
  return new StatusError('ServiceUnavailable', text, undefined, { cause: error, code: 502 });
}

function statusFromText(code: number, text: string): StatusError {
  let body: unknown = text;
  try {
    body = JSON.parse(text);
  } catch {
    // Not JSON: quoted as it is.
  }
  return StatusError.fromWire(code, body);
}
