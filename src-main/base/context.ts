import { CancelledError } from './errors.ts';
import { disposable, type Disposable } from './disposable.ts';
import type { Cause } from './cause.ts';
import type { Clock } from './clock.ts';

/**
 * What travels down every call that may take time: when to give up, and why the work is done at all. Immutable; a child
 * ends with its parent. Modelled on Go's context, with the {@link Cause} of a write as its only value.
 */
export class Context {
  readonly cause: Cause | undefined;
  /** Made when first asked for: contexts are many, those that meet the platform are few. */
  #controller: AbortController | undefined;
  #endedBy: 'cancelled' | 'deadline' | undefined;

  private constructor(cause: Cause | undefined) {
    this.cause = cause;
  }

  /** A context that never ends by itself and has no cause. */
  static background(): Context {
    return new Context(undefined);
  }

  /** A child that can be cancelled on its own. Call `cancel` in the end, or the parent keeps a reference to it. */
  withCancel(): { context: Context; cancel: () => void } {
    return this.#child(this.cause);
  }

  /** A child that ends by itself after `timeoutMs` of `clock` time. */
  withTimeout(clock: Clock, timeoutMs: number): { context: Context; cancel: () => void } {
    const { context, cancel } = this.#child(this.cause);
    const timer = clock.setTimer(timeoutMs, () => context.#end('deadline'));
    context.onEnd(() => timer.dispose());
    return { context, cancel };
  }

  /** The same lifetime, on behalf of `cause`. */
  withCause(cause: Cause | undefined): Context {
    return this.#child(cause).context;
  }

  get ended(): boolean {
    return this.#endedBy !== undefined;
  }

  get endedBy(): 'cancelled' | 'deadline' | undefined {
    return this.#endedBy;
  }

  /** For the platform's own interfaces (fetch, streams), which know AbortSignal. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#endedBy) this.#controller.abort(new CancelledError(this.#endedBy));
    }
    return this.#controller.signal;
  }

  /** Throws {@link CancelledError} when the context has ended. */
  check(): void {
    if (this.#endedBy) throw new CancelledError(this.#endedBy);
  }

  /** Calls `listener` once when the context ends; at once when it already has. */
  onEnd(listener: () => void): Disposable {
    if (this.ended) {
      listener();
      return disposable(() => {});
    }
    this.#listeners.add(listener);
    return disposable(() => this.#listeners.delete(listener));
  }

  readonly #listeners = new Set<() => void>();

  #end(by: 'cancelled' | 'deadline'): void {
    if (this.#endedBy) return;
    this.#endedBy = by;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
    this.#controller?.abort(new CancelledError(by));
  }

  #child(cause: Cause | undefined): { context: Context; cancel: () => void } {
    const context = new Context(cause);
    const link = this.onEnd(() => context.#end(this.#endedBy ?? 'cancelled'));
    if (!context.ended) context.onEnd(() => link.dispose());
    return { context, cancel: () => context.#end('cancelled') };
  }
}
