import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { ServerResponse } from 'node:http';

/** One request as either protocol version hands it over. */
export type Incoming = IncomingMessage | Http2ServerRequest;

/** What answering needs of either protocol version's response. */
export interface Outgoing {
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  readonly destroyed: boolean;
  writeHead(status: number, headers: Record<string, string | readonly string[]>): unknown;
  flushHeaders(): void;
  /** False when the peer reads too slowly: wait for `drain`. */
  write(chunk: Uint8Array): boolean;
  end(chunk?: Uint8Array): unknown;
  once(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
  destroy(): unknown;
  cork(): void;
  uncork(): void;
}

/** Gives both kinds of response one face; HTTP/2's lacks a few of the names. */
export function outgoing(response: ServerResponse | Http2ServerResponse): Outgoing {
  if ('stream' in response) return new Http2Outgoing(response);
  return response as Outgoing;
}

class Http2Outgoing implements Outgoing {
  readonly #response: Http2ServerResponse;

  constructor(response: Http2ServerResponse) {
    this.#response = response;
  }
  get headersSent(): boolean {
    return this.#response.headersSent;
  }
  get writableEnded(): boolean {
    return this.#response.writableEnded;
  }
  get destroyed(): boolean {
    return this.#response.stream?.destroyed ?? true;
  }
  writeHead(status: number, headers: Record<string, string | readonly string[]>): void {
    if (!this.destroyed) this.#response.writeHead(status, headers as Record<string, string | string[]>);
  }
  flushHeaders(): void {
    // HTTP/2's writeHead sends at once.
  }
  write(chunk: Uint8Array): boolean {
    return this.destroyed ? true : this.#response.write(chunk);
  }
  end(chunk?: Uint8Array): void {
    if (chunk) this.#response.end(chunk);
    else this.#response.end();
  }
  once(event: 'drain' | 'close', listener: () => void): void {
    this.#response.once(event, listener);
  }
  off(event: 'drain' | 'close', listener: () => void): void {
    this.#response.off(event, listener);
  }
  destroy(): void {
    this.#response.stream?.destroy();
  }
  cork(): void {
    this.#response.stream?.cork();
  }
  uncork(): void {
    this.#response.stream?.uncork();
  }
}

/** Resolves when the peer has caught up, or is gone. */
export function drained(response: Outgoing): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
    if (response.destroyed) done();
  });
}

/** Splits a request target into its path, still encoded, and its query. */
export function splitTarget(target: string): { path: string; query: URLSearchParams } {
  const mark = target.indexOf('?');
  if (mark < 0) return { path: target, query: new URLSearchParams() };
  return { path: target.slice(0, mark), query: new URLSearchParams(target.slice(mark + 1)) };
}

/** Headers by lower-case name, repeated ones joined; HTTP/2's pseudo headers left out. */
export function plainHeaders(request: Incoming): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (!name.startsWith(':')) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

/** Every value of each header whose lower-case name starts with `prefix`, unjoined. */
export function repeatedHeaders(request: Incoming, prefix: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i]?.toLowerCase() ?? '';
    if (!name.startsWith(prefix)) continue;
    found.set(name, [...(found.get(name) ?? []), request.rawHeaders[i + 1] ?? '']);
  }
  return found;
}
