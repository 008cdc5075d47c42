import type { CallName, CallRequest, CallResponse } from '#contract/calls';
import type { ClientFrame, HostFrame } from '#contract/frames';
import type { StreamEvent, WatchItem, WatchName, WatchRequest } from '#contract/watches';
import { StatusError } from '#api/machinery/status';
import type { OpenPort, Port } from './port.ts';

export type ConnectionStatus = 'connecting' | 'open' | 'lost';

export interface WatchListener<T> {
  /** A batch, in order. */
  onEvents(events: readonly StreamEvent<T>[]): void;
  /** The stream ended: with an error, without one, or because the connection broke. Called once. */
  onEnd(error: StatusError | undefined): void;
}

interface PendingCall {
  readonly resolve: (response: unknown) => void;
  readonly reject: (error: StatusError) => void;
}

const firstRetryMs = 250;
const maxRetryMs = 4000;

/**
 * The renderer's end of the contract: numbers calls and streams, gives credits for what was dealt with, and opens a new port
 * when one breaks. Calls in flight fail then, streams end; who wants them back starts them again.
 */
export class Connection {
  readonly #open: OpenPort;
  readonly #onStatus: (status: ConnectionStatus) => void;
  readonly #calls = new Map<number, PendingCall>();
  readonly #streams = new Map<number, WatchListener<unknown>>();
  #port: Port | undefined;
  #status: ConnectionStatus = 'connecting';
  #nextId = 1;
  #retryMs = firstRetryMs;

  constructor(open: OpenPort, onStatus: (status: ConnectionStatus) => void) {
    this.#open = open;
    this.#onStatus = onStatus;
    this.#connect();
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** Throws {@link StatusError}; ServiceUnavailable when there is no connection. */
  call<N extends CallName>(name: N, request: CallRequest<N>): Promise<CallResponse<N>> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#calls.set(id, { resolve: resolve as (response: unknown) => void, reject });
      if (!this.#send({ type: 'call', id, name, request })) {
        this.#calls.delete(id);
        reject(lost());
      }
    });
  }

  /** Opens a stream. Call the returned function to give it up; `onEnd` is not called then. */
  watch<N extends WatchName>(name: N, request: WatchRequest<N>, listener: WatchListener<WatchItem<N>>): () => void {
    const id = this.#nextId++;
    this.#streams.set(id, listener as WatchListener<unknown>);
    if (!this.#send({ type: 'watch', id, name, request }))
      queueMicrotask(() => {
        if (this.#streams.delete(id)) listener.onEnd(lost());
      });
    return () => {
      if (this.#streams.delete(id)) this.#send({ type: 'cancel', id });
    };
  }

  #connect(): void {
    const port = this.#open({
      onOpen: () => {
        this.#port = port;
        this.#retryMs = firstRetryMs;
        this.#setStatus('open');
      },
      onFrame: (frame) => this.#receive(frame),
      onClose: () => this.#lose(),
    });
  }

  #lose(): void {
    this.#port = undefined;
    this.#setStatus('lost');
    const calls = [...this.#calls.values()];
    const streams = [...this.#streams.values()];
    this.#calls.clear();
    this.#streams.clear();
    for (const call of calls) call.reject(lost());
    for (const stream of streams) stream.onEnd(lost());
    setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(maxRetryMs, this.#retryMs * 2);
  }

  #send(frame: ClientFrame): boolean {
    if (!this.#port) return false;
    this.#port.send(frame);
    return true;
  }

  #receive(frame: HostFrame): void {
    const call = this.#calls.get(frame.id);
    const stream = this.#streams.get(frame.id);
    if (frame.type === 'response') {
      this.#calls.delete(frame.id);
      call?.resolve(frame.response);
    } else if (frame.type === 'failure') {
      const error = StatusError.fromWire(frame.status.code, frame.status);
      this.#calls.delete(frame.id);
      this.#streams.delete(frame.id);
      call?.reject(error);
      stream?.onEnd(error);
    } else if (frame.type === 'end') {
      this.#streams.delete(frame.id);
      stream?.onEnd(undefined);
    } else if (stream) this.#deliver(frame.id, stream, frame.events);
  }

  #deliver(id: number, stream: WatchListener<unknown>, events: readonly StreamEvent<unknown>[]): void {
    const last = events.at(-1);
    const error = last?.type === 'ERROR' ? last : undefined;
    stream.onEvents(error ? events.slice(0, -1) : events);
    if (error) {
      this.#streams.delete(id);
      stream.onEnd(StatusError.fromWire(error.status.code, error.status));
    } else this.#send({ type: 'credit', id, count: events.length });
  }

  #setStatus(status: ConnectionStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    this.#onStatus(status);
  }
}

function lost(): StatusError {
  return new StatusError('ServiceUnavailable', 'the connection to the Drydock host is lost; it is being made again');
}
