import type { Context } from '#base/context';

/** Who calls, for people: `grpc-go/1.26.0 from 127.0.0.1:40112`. */
export type Peer = string;

/** Takes a message's bytes, gives the framed answer. What it throws becomes the call's status. */
export type UnaryHandler = (context: Context, request: Buffer) => Promise<Buffer>;

export interface ServerStream {
  /** Ends with the stream. */
  readonly context: Context;
  readonly peer: Peer;
  /** Sends a framed message. Undefined while the client has room for more; else resolves when it has. */
  send(framed: Buffer): Promise<void> | undefined;
}

/** The receiving half of a stream. Messages are handed over one after the other. */
export interface StreamReceiver {
  receive(message: Buffer): Promise<void>;
  /** The client has sent its last message. The stream ends, with OK, when this resolves. */
  finish(): Promise<void>;
}

export type StreamHandler = (stream: ServerStream) => StreamReceiver;

export type GrpcHandler =
  { readonly kind: 'unary'; readonly handle: UnaryHandler } | { readonly kind: 'stream'; readonly open: StreamHandler };
