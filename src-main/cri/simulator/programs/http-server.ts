import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import type { Socket } from '#base/streams';
import { encodeText } from '../byte-pipe.ts';
import type { Process } from '../process.ts';

export interface HttpRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names as sent, in order. */
  readonly headerLines: readonly (readonly [string, string])[];
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  readonly version: string;
  readonly remote: { readonly ip: string; readonly port: number };
  readonly local: { readonly ip: string; readonly port: number };
}

export interface HttpReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

export const statusTexts: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  301: 'Moved Permanently',
  302: 'Found',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Not Allowed',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
};

const maxHeadBytes = 64 * 1024;

/** Reads HTTP/1.x messages off a connection. */
export class HttpReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held = Buffer.alloc(0);

  constructor(incoming: AsyncIterable<Uint8Array>) {
    this.#chunks = incoming[Symbol.asyncIterator]();
  }

  /** The lines up to the empty one; undefined when the peer closed before any. */
  async head(): Promise<readonly string[] | undefined> {
    for (;;) {
      const end = this.#held.indexOf('\r\n\r\n');
      if (end >= 0) {
        const text = this.#held.subarray(0, end).toString('latin1');
        this.#held = this.#held.subarray(end + 4);
        return text.split('\r\n');
      }
      if (this.#held.length > maxHeadBytes) throw new Error('header too large');
      if (!(await this.#more())) return undefined;
    }
  }

  async exactly(length: number): Promise<Uint8Array> {
    while (this.#held.length < length) if (!(await this.#more())) break;
    const body = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return body;
  }

  async untilEnd(): Promise<Uint8Array> {
    while (await this.#more()) continue;
    return this.#held;
  }

  async chunked(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (;;) {
      const size = parseInt(await this.#line(), 16);
      if (!(size > 0)) break;
      parts.push(await this.exactly(size));
      await this.#line();
    }
    while ((await this.#line()) !== '') continue;
    return Buffer.concat(parts);
  }

  /** The body that `headers` announce; `toEnd` says that without a length it reaches to the end of the connection. */
  async body(headers: ReadonlyMap<string, string>, toEnd: boolean): Promise<Uint8Array> {
    if (/chunked/i.test(headers.get('transfer-encoding') ?? '')) return this.chunked();
    const length = headers.get('content-length');
    if (length !== undefined) return this.exactly(Number(length));
    return toEnd ? this.untilEnd() : new Uint8Array(0);
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#held.indexOf('\r\n');
      if (end >= 0) {
        const text = this.#held.subarray(0, end).toString('latin1');
        this.#held = this.#held.subarray(end + 2);
        return text;
      }
      if (!(await this.#more())) return '';
    }
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done) return false;
    this.#held = Buffer.concat([this.#held, next.value]);
    return true;
  }
}

/** Header lines as a map of lower-case names. */
export function headerMap(lines: readonly (readonly [string, string])[]): Map<string, string> {
  return new Map(lines.map(([name, value]) => [name.toLowerCase(), value]));
}

export function parseHeaderLines(lines: readonly string[]): readonly (readonly [string, string])[] {
  return lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
  });
}

export interface HttpServerOptions {
  readonly port: number;
  /** The `Server` header; none when absent. */
  readonly server?: string;
  readonly handle: (request: HttpRequest) => HttpReply | Promise<HttpReply>;
  /** Called once a reply was sent. */
  readonly onReply?: (request: HttpRequest, reply: HttpReply, bodyBytes: number) => void;
}

/** Serves HTTP/1.1 with keep-alive on a port of the process's network until the process ends. */
export function serveHttp(process: Process, options: HttpServerOptions): void {
  const connections = new Set<Socket>();
  const listener = process.host.network.listen(options.port, (socket) => {
    connections.add(socket);
    void serveConnection(process, socket, options)
      .catch((error: unknown) => socket.destroy(error instanceof Error ? error : undefined))
      .finally(() => connections.delete(socket));
  });
  process.context.onEnd(() => {
    listener.dispose();
    for (const socket of connections) socket.destroy();
  });
}

async function serveConnection(process: Process, socket: Socket, options: HttpServerOptions): Promise<void> {
  const reader = new HttpReader(socket.incoming);
  for (;;) {
    const head = await reader.head();
    if (!head) break;
    const [method = '', target = '/', version = ''] = (head[0] ?? '').split(' ');
    const headerLines = parseHeaderLines(head.slice(1));
    const headers = headerMap(headerLines);
    if (!/^HTTP\/1\.[01]$/.test(version)) {
      await socket.write(encodeText('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'));
      break;
    }
    const url = new URL(target, 'http://localhost');
    const request: HttpRequest = {
      method,
      target,
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headerLines,
      headers,
      body: await reader.body(headers, false),
      version,
      remote: socket.remote,
      local: socket.local,
    };
    const reply = await options.handle(request);
    const keepAlive = version === 'HTTP/1.1' && !/close/i.test(headers.get('connection') ?? '');
    await sendReply(process, socket, request, reply, keepAlive, options);
    if (!keepAlive) break;
  }
  socket.end();
}

async function sendReply(
  process: Process,
  socket: Socket,
  request: HttpRequest,
  reply: HttpReply,
  keepAlive: boolean,
  options: HttpServerOptions,
): Promise<void> {
  const body = typeof reply.body === 'string' ? encodeText(reply.body) : reply.body;
  const headers: Record<string, string> = {
    ...(options.server ? { Server: options.server } : {}),
    Date: new Date(process.host.clock.now()).toUTCString(),
    ...reply.headers,
    'Content-Length': String(body.length),
    Connection: keepAlive ? 'keep-alive' : 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = encodeText(`HTTP/1.1 ${reply.status} ${statusTexts[reply.status] ?? 'Status'}\r\n${lines.join('')}\r\n`);
  const withBody = request.method !== 'HEAD' && reply.status !== 204 && reply.status !== 304;
  await socket.write(withBody ? Buffer.concat([head, body]) : head);
  options.onReply?.(request, reply, withBody ? body.length : 0);
}

export interface HttpResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headerLines: readonly (readonly [string, string])[];
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  readonly version: string;
}

/** Sends one request over a fresh connection and reads the whole answer. */
export async function requestOver(
  socket: Socket,
  context: Context,
  head: string,
  body: Uint8Array,
  method: string,
): Promise<HttpResponse> {
  const registration = context.onEnd(() => socket.destroy(new CancelledError(context.endedBy ?? 'cancelled')));
  try {
    await socket.write(Buffer.concat([encodeText(head), body]));
    const reader = new HttpReader(socket.incoming);
    const lines = await reader.head();
    context.check();
    if (!lines) throw new Error('empty reply from server');
    const match = /^(HTTP\/1\.[01]) (\d{3}) ?(.*)$/.exec(lines[0] ?? '');
    if (!match) throw new Error('malformed status line');
    const headerLines = parseHeaderLines(lines.slice(1));
    const headers = headerMap(headerLines);
    const status = Number(match[2]);
    const empty = method === 'HEAD' || status === 204 || status === 304;
    const content = empty ? new Uint8Array(0) : await reader.body(headers, true);
    context.check();
    return { status, statusText: match[3] ?? '', headerLines, headers, body: content, version: match[1] ?? '' };
  } finally {
    registration.dispose();
    socket.destroy();
  }
}
