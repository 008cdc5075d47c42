import type { Disposable } from './disposable.ts';
import type { Context } from './context.ts';

/** One end of a connection that carries bytes both ways. */
export interface ByteStream {
  /** What the other end sent. Ends when the other end half-closes; throws when the connection breaks. */
  readonly incoming: AsyncIterable<Uint8Array>;
  /** Resolves when the bytes were taken (back-pressure). Throws when the connection is broken. */
  write(chunk: Uint8Array): Promise<void>;
  /** Half-closes: the other end's `incoming` ends; this end can still read. */
  end(): void;
  /** Breaks the connection for both ends. */
  destroy(error?: Error): void;
}

export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

export interface Socket extends ByteStream {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

export type DatagramHandler = (payload: Uint8Array, from: SocketAddress, reply: (payload: Uint8Array) => void) => void;

/** Why a connection could not be made, as the socket calls name it. */
export type DialErrorCode = 'ECONNREFUSED' | 'EHOSTUNREACH' | 'ENETUNREACH' | 'ETIMEDOUT' | 'EADDRINUSE';

export class DialError extends Error {
  override readonly name = 'DialError';
  readonly code: DialErrorCode;
  constructor(code: DialErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * What a process sees of its network, real or simulated: the address it has, ports to listen on, addresses to dial.
 * Traffic to a Service's cluster IP is answered by whatever rules kube-proxy put on the node.
 */
export interface NetworkNamespace {
  /** The pod IP; the node's own IP for host-network pods. */
  readonly ip: string;
  /** Accepts TCP connections on `port` of every address of the namespace. Throws DialError EADDRINUSE. */
  listen(port: number, onConnection: (socket: Socket) => void): Disposable;
  /** Throws {@link DialError}. */
  dial(context: Context, address: SocketAddress): Promise<Socket>;
  /** Receives UDP datagrams on `port`. Throws DialError EADDRINUSE. */
  listenDatagram(port: number, handler: DatagramHandler): Disposable;
  /** Sends one UDP datagram from a fresh port and resolves with the first answer. Throws DialError ETIMEDOUT. */
  exchangeDatagram(context: Context, address: SocketAddress, payload: Uint8Array): Promise<Uint8Array>;
}

/** A command running in a container with its three standard streams. */
export interface ExecSession {
  /** Bytes for the command's standard input; absent when none was asked for. */
  readonly stdin: { write(chunk: Uint8Array): Promise<void>; end(): void } | undefined;
  readonly stdout: AsyncIterable<Uint8Array>;
  /** Empty when a terminal was asked for: then everything is in `stdout`. */
  readonly stderr: AsyncIterable<Uint8Array>;
  resize(columns: number, rows: number): void;
  /** Resolves when the command ended; rejects when it could not be started. */
  readonly exit: Promise<{ readonly exitCode: number }>;
  /** The client went away. */
  close(): void;
}

export interface ExecOptions {
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}
