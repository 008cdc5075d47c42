import type { Context } from '#base/context';
import { DialError, type Socket } from '#base/streams';
import { NameError, StubResolver } from '../name-resolution.ts';
import { requestOver, type HttpResponse } from '../programs/http-server.ts';
import type { Process } from '../process.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
  /** Path and query. */
  readonly path: string;
  readonly secure: boolean;
  readonly authority: string;
}

/** Reads a URL as wget and curl do: without a scheme it is http. Undefined when it is none. */
export function parseTarget(text: string): Target | undefined {
  let url: URL;
  try {
    url = new URL(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
  const secure = url.protocol === 'https:';
  const port = Number(url.port || (secure ? 443 : 80));
  return { host: url.hostname, port, path: url.pathname + url.search, secure, authority: url.host };
}

export type FetchFailure = 'name' | 'refused' | 'unreachable' | 'timeout' | 'secure' | 'broken';

/** The request could not be made, or got no answer. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
  readonly failure: FetchFailure;
  readonly ip: string;
  constructor(failure: FetchFailure, message: string, ip = '') {
    super(message);
    this.failure = failure;
    this.ip = ip;
  }
}

export interface Request {
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}

/** Resolves, connects, asks and reads the whole answer. Throws {@link FetchError}. `onConnect` hears of the address. */
export async function fetchFrom(
  process: Process,
  context: Context,
  target: Target,
  request: Request,
  onConnect?: (ip: string) => Promise<void>,
): Promise<HttpResponse> {
  const resolver = new StubResolver(process.host.network, process.host.files, process.host.random);
  const addresses = await resolver.addresses(context, target.host).catch((error: unknown) => {
    if (error instanceof NameError) throw new FetchError('name', error.message);
    throw timedOut(context, error);
  });
  const [ip = ''] = addresses;
  if (target.secure) throw new FetchError('secure', 'TLS is not simulated', ip);
  const socket = await dial(process, context, ip, target.port);
  await onConnect?.(ip);
  const lines = request.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = `${request.method} ${target.path} HTTP/1.1\r\n${lines}\r\n`;
  try {
    return await requestOver(socket, context, head, request.body, request.method);
  } catch (error) {
    process.context.check();
    if (context.endedBy === 'deadline') throw new FetchError('timeout', 'timed out', ip);
    throw new FetchError('broken', error instanceof Error ? error.message : String(error), ip);
  }
}

function timedOut(context: Context, error: unknown): unknown {
  return context.endedBy === 'deadline' ? new FetchError('timeout', 'timed out') : error;
}

async function dial(process: Process, context: Context, ip: string, port: number): Promise<Socket> {
  try {
    return await process.host.network.dial(context, { ip, port });
  } catch (error) {
    process.context.check();
    if (context.endedBy === 'deadline') throw new FetchError('timeout', 'timed out', ip);
    if (!(error instanceof DialError)) throw error;
    const failure = error.code === 'ECONNREFUSED' ? 'refused' : error.code === 'ETIMEDOUT' ? 'timeout' : 'unreachable';
    throw new FetchError(failure, error.message, ip);
  }
}

/** Where a redirect leads; undefined for other answers. */
export function redirectOf(target: Target, response: HttpResponse): Target | undefined {
  const location = response.headers.get('location');
  if (!location || ![301, 302, 303, 307, 308].includes(response.status)) return undefined;
  const base = `${target.secure ? 'https' : 'http'}://${target.authority}${target.path}`;
  return parseTarget(new URL(location, base).href);
}
