import type { WebSocket } from 'ws';
import { StatusError, type Status } from '#api/machinery/status';
import { AsyncQueue } from '#base/async-queue';
import type { Context } from '#base/context';
import type { ContainerName, LogChunk, PodExecItem, PodExecRequest, PodLogsRequest } from '#contract/streams';
import type { StreamEvent } from '#contract/watches';
import { openResponse, openWebSocket, type ApiAccess } from './api-access.ts';

function podPath({ namespace, pod }: ContainerName, subresource: string, query: URLSearchParams): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/${subresource}?${String(query)}`;
}

/** A container's log from its last lines on. The server waits while the reader does. */
export async function* logStream(
  context: Context,
  access: ApiAccess,
  request: PodLogsRequest,
): AsyncGenerator<StreamEvent<LogChunk>> {
  const { container, tailLines, previous = false } = request;
  const query = new URLSearchParams({ container, tailLines: String(tailLines) });
  query.set(previous ? 'previous' : 'follow', 'true');
  const response = await openResponse(context, access, podPath(request, 'log', query));
  yield { type: 'BOOKMARK' };
  response.setEncoding('utf8');
  for await (const chunk of response) yield { type: 'ADDED', object: { text: String(chunk) } };
}

/** The channels of `remotecommand` (k8s.io/apimachinery, release 1.36): the first byte of each message. */
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
/** Output the renderer has not taken yet; then the command waits, as it would for a slow terminal. */
const maxWaiting = 256;

/** The terminals that are open, so that calls find the one they are for. */
export class ExecSessions {
  readonly #sockets = new Map<string, WebSocket>();
  readonly #newName: () => string;

  /** Names must not be guessable: whoever knows one may type. */
  constructor(newName: () => string) {
    this.#newName = newName;
  }

  /** Runs a command in a container until it ends or the reader goes away. */
  async *open(context: Context, access: ApiAccess, request: PodExecRequest): AsyncGenerator<StreamEvent<PodExecItem>> {
    const query = new URLSearchParams({ container: request.container, stdin: 'true', stdout: 'true' });
    query.set(request.tty ? 'tty' : 'stderr', 'true');
    for (const word of request.command) query.append('command', word);
    const socket = await openWebSocket(context, access, podPath(request, 'exec', query), protocols);
    const messages = messagesOf(socket);
    const session = this.#newName();
    this.#sockets.set(session, socket);
    try {
      this.resize(session, request.columns, request.rows);
      yield { type: 'BOOKMARK' };
      yield { type: 'ADDED', object: { kind: 'opened', session } };
      for await (const object of itemsOf(messages)) yield { type: 'ADDED', object };
    } finally {
      this.#sockets.delete(session);
      socket.terminate();
    }
  }

  /** Throws StatusError NotFound. */
  input(session: string, text: string): void {
    this.#send(session, channel.stdin, text);
  }

  /** Throws StatusError NotFound. */
  resize(session: string, columns: number, rows: number): void {
    this.#send(session, channel.resize, JSON.stringify({ Width: columns, Height: rows }));
  }

  #send(session: string, to: number, text: string): void {
    const socket = this.#sockets.get(session);
    if (!socket) throw new StatusError('NotFound', 'the terminal has ended');
    socket.send(Buffer.concat([Buffer.from([to]), Buffer.from(text, 'utf8')]));
  }
}

/** What the server sends, until the command's exit. */
async function* itemsOf(messages: AsyncIterable<Buffer>): AsyncGenerator<PodExecItem> {
  const decoders = { [channel.stdout]: new TextDecoder(), [channel.stderr]: new TextDecoder() };
  for await (const message of messages) {
    const payload = message.subarray(1);
    const to = message[0];
    if (to === channel.error) {
      yield { kind: 'exit', exitCode: exitCodeOf(JSON.parse(payload.toString('utf8'))) };
      return;
    }
    if (to !== channel.stdout && to !== channel.stderr) continue;
    const text = decoders[to].decode(payload, { stream: true });
    if (text !== '') yield { kind: 'output', text };
  }
  throw new StatusError('ServiceUnavailable', 'the connection to the container broke');
}

/** Messages in order, from now on; the socket is not read while too many wait. */
function messagesOf(socket: WebSocket): AsyncIterable<Buffer> {
  const queue = new AsyncQueue<Buffer>();
  socket.on('message', (content) => {
    queue.push(Buffer.isBuffer(content) ? content : Buffer.from(content as ArrayBuffer));
    if (queue.size > maxWaiting) socket.pause();
  });
  socket.on('close', () => queue.end());
  return draining(queue, () => socket.resume());
}

async function* draining(queue: AsyncQueue<Buffer>, onEmpty: () => void): AsyncGenerator<Buffer> {
  for await (const message of queue) {
    if (queue.size === 0) onEmpty();
    yield message;
  }
}

/** Throws StatusError when the command could not be run at all. */
function exitCodeOf(value: unknown): number {
  const status = value as Status;
  if (status.status === 'Success') return 0;
  const cause = status.details?.causes?.find((one) => one.reason === 'ExitCode');
  const exitCode = Number(cause?.message ?? NaN);
  if (Number.isInteger(exitCode)) return exitCode;
  throw StatusError.fromWire(status.code ?? 500, status);
}
