import type { Cause } from '#base/cause';
import type { Context } from '#base/context';
import type { KubeObject, WatchEvent } from '#api/machinery/object';
import type { MessageSocket } from '#streaming/message-socket';

/** Who asks, after authentication (`user.Info` of k8s.io/apiserver). */
export interface UserInfo {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** One request, whether it came over HTTP or in process. */
export interface ApiRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Percent-decoded per segment by the router, so still encoded here; no query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The decoded body (JSON or YAML), deeply frozen; undefined when there was none. */
  readonly body: unknown;
  /** Media type without parameters, of the body. */
  readonly contentType: string;
  readonly user: UserInfo;
  readonly cause: Cause | undefined;
}

/**
 * What the handlers answer. The HTTP layer encodes it; the in-process transport hands `object` and `events` on as they are.
 * Objects are frozen. `encodeObject` (in `apiserver/http/encoding.ts`) keeps the encoded bytes beside each frozen object, so an
 * object is encoded once, however many watchers it goes to.
 */
export type ApiResponse =
  | {
      readonly kind: 'object';
      readonly status: number;
      readonly object: unknown;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'watch'; readonly events: AsyncIterable<WatchEvent<KubeObject>> }
  | {
      readonly kind: 'text';
      readonly status: number;
      readonly contentType: string;
      readonly text: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'bytes';
      readonly status: number;
      readonly contentType: string;
      readonly chunks: AsyncIterable<Uint8Array>;
    }
  /** A protocol switch (exec, attach, port-forward): the HTTP layer accepts the WebSocket and hands it to `serve`. */
  | {
      readonly kind: 'upgrade';
      readonly protocols: readonly string[];
      readonly serve: (socket: MessageSocket) => Promise<void>;
    };

/**
 * The API server behind its listeners. `handle` authorises, admits, validates, stores and answers; it throws StatusError
 * only (anything else is a bug and becomes an InternalError where it is caught). `request.user` is already authenticated.
 */
export interface ApiHandler {
  handle(context: Context, request: ApiRequest): Promise<ApiResponse>;
}
