import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { AsyncQueue } from '#base/async-queue';
import { StatusError } from '#api/machinery/status';
import type { CallName, CallRequest, CallResponse } from '#contract/calls';
import type { ClientFrame, HostFrame } from '#contract/frames';
import type { StreamEvent, WatchItem, WatchName, WatchRequest } from '#contract/watches';

interface PendingCall {
  readonly resolve: (response: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** The other end of `control-server.ts`: what the command line says to a host that runs already. */
export class ControlClient {
  readonly #socket: Socket;
  readonly #calls = new Map<number, PendingCall>();
  readonly #streams = new Map<number, AsyncQueue<StreamEvent<unknown>>>();
  #nextId = 1;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const lines = createInterface({ input: socket, crlfDelay: Infinity });
    lines.on('error', () => socket.destroy());
    lines.on('line', (line) => this.#receive(JSON.parse(line) as HostFrame));
    socket.on('close', () => this.#closeAll());
    socket.on('error', () => socket.destroy());
  }

  /** Throws Error when nothing listens there. */
  static connect(access: { readonly port: number; readonly token: string }): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(access.port, '127.0.0.1', () => {
        socket.off('error', reject);
        socket.write(`${access.token}\n`);
        resolve(new ControlClient(socket));
      });
      socket.once('error', reject);
    });
  }

  /** Throws StatusError with what the host says. */
  call<N extends CallName>(name: N, request: CallRequest<N>): Promise<CallResponse<N>> {
    const id = this.#nextId++;
    return new Promise<CallResponse<N>>((resolve, reject) => {
      this.#calls.set(id, { resolve: (response) => resolve(response as CallResponse<N>), reject });
      this.#send({ type: 'call', id, name, request });
    });
  }

  /** Breaking out of the iteration ends the stream. */
  async *watch<N extends WatchName>(name: N, request: WatchRequest<N>): AsyncGenerator<StreamEvent<WatchItem<N>>> {
    const id = this.#nextId++;
    const queue = new AsyncQueue<StreamEvent<unknown>>();
    this.#streams.set(id, queue);
    this.#send({ type: 'watch', id, name, request });
    try {
      for await (const event of queue) {
        this.#send({ type: 'credit', id, count: 1 });
        yield event as StreamEvent<WatchItem<N>>;
      }
    } finally {
      this.#streams.delete(id);
      this.#send({ type: 'cancel', id });
    }
  }

  close(): void {
    this.#socket.end();
    this.#socket.destroy();
  }

  #send(frame: ClientFrame): void {
    if (!this.#socket.destroyed) this.#socket.write(`${JSON.stringify(frame)}\n`);
  }

  #receive(frame: HostFrame): void {
    const call = this.#calls.get(frame.id);
    const stream = this.#streams.get(frame.id);
    if (frame.type === 'response') call?.resolve(frame.response);
    else if (frame.type === 'failure') {
      const error = StatusError.fromWire(frame.status.code, frame.status);
      call?.reject(error);
      stream?.fail(error);
    } else if (frame.type === 'events') for (const event of frame.events) stream?.push(event);
    else stream?.end();
    this.#calls.delete(frame.id);
  }

  #closeAll(): void {
    const error = new StatusError('ServiceUnavailable', 'the host ended');
    for (const call of this.#calls.values()) call.reject(error);
    for (const stream of this.#streams.values()) stream.fail(error);
    this.#calls.clear();
  }
}
