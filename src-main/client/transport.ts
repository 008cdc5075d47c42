import type { Context } from '#base/context';
import type { WatchEvent } from '#api/machinery/object';

export type HttpVerb = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface TransportRequest {
  readonly method: HttpVerb;
  /** Absolute, percent-encoded, without query: `/api/v1/namespaces/default/pods`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Lower-case names. The transport adds authentication, `user-agent` and the headers of `context.cause`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A JSON value; sent as `contentType` (default `application/json`). Handed over frozen: never changed afterwards. */
  readonly body?: unknown;
  readonly contentType?: string;
}

/**
 * How a client reaches an API server: over HTTPS, or in process. One conformance suite covers both. Objects that come back
 * are frozen and may be shared with other readers.
 */
export interface Transport {
  /**
   * Resolves with the decoded JSON body of a 2xx answer. Throws StatusError for any other answer, with reason
   * ServiceUnavailable when no server could be reached, and CancelledError when `context` ends first.
   */
  request(context: Context, request: TransportRequest): Promise<unknown>;
  /**
   * Opens a watch (`watch=true` is added to the query). Throws as `request` does when it cannot be opened; afterwards
   * yields frames until the server ends it. A frame of type ERROR carries a Status and is the last one. Breaking out of the
   * loop, or ending `context`, closes the watch.
   */
  watch(context: Context, request: TransportRequest): Promise<AsyncIterable<WatchEvent>>;
}
