/** A connection that carries whole messages both ways: a WebSocket after its handshake, or streams made to look like one. */
export interface MessageSocket {
  /** The subprotocol that was agreed on. */
  readonly protocol: string;
  /** Ends when the other end has gone. */
  readonly messages: AsyncIterable<Uint8Array>;
  /** Resolves when the message was taken (back-pressure). Rejects when the connection is gone. */
  send(message: Uint8Array): Promise<void>;
  close(code?: number, reason?: string): void;
}
