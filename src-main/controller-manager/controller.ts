import type { EventRecorder, InformerFactory, KubeClient, Reconciler } from '#client/client';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { DisposableStore, type Disposable } from '#base/disposable';
import { CancelledError } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';

/** What every controller is made of. The informers are shared: a controller adds indexes and handlers, others start them. */
export interface ControllerOptions {
  readonly client: KubeClient;
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly recorder: EventRecorder;
}

/** A control loop. Construct it before the informers start, start it once; a stopped one is replaced by a new one. */
export interface Controller {
  /** Starts work as soon as the caches are filled. `context` is the controller's life. */
  start(context: Context): void;
  /** Resolves when nothing it started runs any more. */
  stop(): Promise<void>;
}

/** The caches a controller must not work without. */
export interface Syncable {
  waitForSync(context: Context): Promise<void>;
}

/** Life of a controller: queues that run once the caches are filled, handlers that go when it stops. */
export class ControllerLife implements Controller {
  readonly #caches: readonly Syncable[];
  readonly #reconcilers: readonly Reconciler[];
  readonly #handlers = new DisposableStore();
  #cancel: (() => void) | undefined;
  #started: Promise<void> = Promise.resolve();

  constructor(caches: readonly Syncable[], reconcilers: readonly Reconciler[], handlers: readonly Disposable[]) {
    this.#caches = caches;
    this.#reconcilers = reconcilers;
    for (const handler of handlers) this.#handlers.add(handler);
  }

  start(context: Context): void {
    const { context: own, cancel } = context.withCancel();
    this.#cancel = cancel;
    this.#started = this.#run(own);
  }

  async stop(): Promise<void> {
    this.#handlers.dispose();
    this.#cancel?.();
    await this.#started;
    await Promise.all(this.#reconcilers.map((reconciler) => reconciler.stop()));
  }

  async #run(context: Context): Promise<void> {
    try {
      await Promise.all(this.#caches.map((cache) => cache.waitForSync(context)));
    } catch (error) {
      // Stopped before the caches were filled: there is nothing to start.
      if (error instanceof CancelledError) return;
      throw error;
    }
    for (const reconciler of this.#reconcilers) reconciler.start(context);
  }
}
