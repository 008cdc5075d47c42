import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { StatusError, type Status } from '#api/machinery/status';
import { batchWindowMs, maxCalls, maxEventsPerFrame, maxStreams, streamHighMark } from '#contract/frames';
import type { HostFrame } from '#contract/frames';
import type { CallName } from '#contract/calls';
import type { StreamEvent, WatchName } from '#contract/watches';
import type { CallHandler, ContractHandlers } from './handlers.ts';
import { decodeClientFrame } from './client-frame.ts';
import { decodeCall, decodeWatch, isCallName, isWatchName } from './validation.ts';

export interface SessionOptions {
  readonly handlers: ContractHandlers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Sends one frame to the renderer. Must not throw. */
  readonly send: (frame: HostFrame) => void;
}

/** One open stream: events wait here for the batch window, and reading its source waits for credits. */
interface Stream {
  readonly cancel: () => void;
  credits: number;
  pending: StreamEvent<unknown>[];
  flushTimer: Disposable | undefined;
  /** Wakes the reading loop when credits came or the stream ended. */
  wake: (() => void) | undefined;
}

/**
 * The host's end of one renderer's connection, whatever carries it: decodes and validates every frame, runs calls, and
 * pumps streams in batches within the reader's credits. Ends everything it started when `context` ends or on `close`.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #context: Context;
  readonly #end: () => void;
  readonly #calls = new Map<number, () => void>();
  readonly #answers = new Set<Promise<void>>();
  readonly #streams = new Map<number, Stream>();

  constructor(context: Context, options: SessionOptions) {
    this.#options = options;
    const child = context.withCancel();
    this.#context = child.context;
    this.#end = child.cancel;
    this.#context.onEnd(() => this.#closeAll());
  }

  /** Takes one message of the renderer. Throws StatusError BadRequest when it is no frame at all: drop the connection. */
  receive(message: unknown): void {
    const frame = decodeClientFrame(message);
    if (this.#context.ended) return;
    if (frame.type === 'credit') this.#credit(frame.id, frame.count);
    else if (frame.type === 'cancel') this.#cancel(frame.id);
    else if (this.#calls.has(frame.id) || this.#streams.has(frame.id))
      this.#fail(frame.id, new StatusError('BadRequest', `id ${frame.id} is in use`));
    else if (frame.type === 'call') this.#startCall(frame.id, frame.name, frame.request);
    else this.#startWatch(frame.id, frame.name, frame.request);
  }

  /** Resolves when every call that came so far is answered. */
  async answered(): Promise<void> {
    await Promise.all(this.#answers);
  }

  /** Ends every call and stream. Idempotent. */
  close(): void {
    this.#end();
  }

  #startCall(id: number, name: string, request: unknown): void {
    if (!isCallName(name)) return this.#fail(id, new StatusError('NotFound', `there is no call "${name}"`));
    if (this.#calls.size >= maxCalls)
      return this.#fail(id, new StatusError('TooManyRequests', `more than ${maxCalls} calls at once`));
    const { context, cancel } = this.#context.withCancel();
    this.#calls.set(id, cancel);
    const answer = this.#call(context, id, name, request).finally(() => {
      this.#calls.delete(id);
      this.#answers.delete(answer);
      cancel();
    });
    this.#answers.add(answer);
  }

  async #call<N extends CallName>(context: Context, id: number, name: N, request: unknown): Promise<void> {
    try {
      const calls: { readonly [K in CallName]?: CallHandler<K> } = this.#options.handlers.calls;
      const handler: CallHandler<N> | undefined = calls[name];
      if (!handler) throw new StatusError('NotFound', `this host cannot do "${name}"`);
      const response = await handler(context, decodeCall(name, request));
      if (!context.ended) this.#options.send({ type: 'response', id, response });
    } catch (error) {
      if (!context.ended) this.#fail(id, error, name);
    }
  }

  #startWatch(id: number, name: string, request: unknown): void {
    if (!isWatchName(name)) return this.#fail(id, new StatusError('NotFound', `there is no watch "${name}"`));
    if (this.#streams.size >= maxStreams)
      return this.#fail(id, new StatusError('TooManyRequests', `more than ${maxStreams} streams at once`));
    const { context, cancel } = this.#context.withCancel();
    const stream: Stream = { cancel, credits: streamHighMark, pending: [], flushTimer: undefined, wake: undefined };
    this.#streams.set(id, stream);
    context.onEnd(() => {
      stream.flushTimer?.dispose();
      this.#wake(stream);
    });
    void this.#pump(context, id, stream, name, request).finally(() => {
      this.#streams.delete(id);
      cancel();
    });
  }

  async #pump<N extends WatchName>(
    context: Context,
    id: number,
    stream: Stream,
    name: N,
    request: unknown,
  ): Promise<void> {
    try {
      for await (const event of this.#options.handlers.watches[name](context, decodeWatch(name, request))) {
        if (context.ended) return;
        this.#gather(id, stream, event);
        while (stream.credits <= 0 && !context.ended) await this.#creditOf(stream);
        if (context.ended) return;
      }
      this.#flush(id, stream);
      this.#options.send({ type: 'end', id });
    } catch (error) {
      if (context.ended) return;
      this.#gather(id, stream, { type: 'ERROR', status: this.#statusOf(error, name) });
      this.#flush(id, stream);
      this.#options.send({ type: 'end', id });
    }
  }

  #gather(id: number, stream: Stream, event: StreamEvent<unknown>): void {
    stream.pending.push(event);
    stream.credits--;
    if (stream.pending.length >= maxEventsPerFrame || stream.credits <= 0) this.#flush(id, stream);
    else stream.flushTimer ??= this.#options.clock.setTimer(batchWindowMs, () => this.#flush(id, stream));
  }

  #flush(id: number, stream: Stream): void {
    stream.flushTimer?.dispose();
    stream.flushTimer = undefined;
    if (stream.pending.length === 0) return;
    const events = stream.pending;
    stream.pending = [];
    this.#options.send({ type: 'events', id, events });
  }

  #creditOf(stream: Stream): Promise<void> {
    return new Promise((resolve) => {
      stream.wake = resolve;
    });
  }

  #wake(stream: Stream): void {
    const wake = stream.wake;
    stream.wake = undefined;
    wake?.();
  }

  #credit(id: number, count: number): void {
    const stream = this.#streams.get(id);
    if (!stream) return; // The stream ended while the credit was on its way.
    stream.credits = Math.min(streamHighMark, stream.credits + count);
    this.#wake(stream);
  }

  #cancel(id: number): void {
    this.#calls.get(id)?.();
    this.#streams.get(id)?.cancel();
  }

  #closeAll(): void {
    for (const cancel of [...this.#calls.values()]) cancel();
    for (const stream of [...this.#streams.values()]) stream.cancel();
  }

  #fail(id: number, error: unknown, name = ''): void {
    this.#options.send({ type: 'failure', id, status: this.#statusOf(error, name) });
  }

  #statusOf(error: unknown, name: string): Status {
    if (error instanceof StatusError) return error.toStatus();
    if (error instanceof CancelledError) return new StatusError('Timeout', `${name} was given up`).toStatus();
    this.#options.logger.error('a handler failed', { name, error: messageOf(error) });
    return new StatusError('InternalError', messageOf(error)).toStatus();
  }
}
