import { objectKey, type GroupVersionResource, type KubeObject } from '#api/machinery/object';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { disposable, type Disposable } from '#base/disposable';
import { CancelledError, InvariantError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { Pacer } from '#base/pacer';
import type { Random } from '#base/random';
import type { Informer, InformerFactory, InformerHandler, KubeClient, Lister, ListOptions } from './client.ts';
import { Reflector, type ReflectorSink } from './reflector.ts';
import { ObjectStore } from './store.ts';

type Selection = Pick<ListOptions, 'namespace' | 'fieldSelector' | 'labelSelector'>;

export interface InformerOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** {@link Informer} over a {@link Reflector} (client-go `cache.SharedIndexInformer`, release 1.36). */
class SharedInformer<T extends KubeObject> implements Informer<T>, ReflectorSink<T> {
  readonly #store = new ObjectStore<T>();
  readonly #handlers = new Set<InformerHandler<T>>();
  readonly #options: InformerOptions;
  readonly #resource: GroupVersionResource;
  readonly #selection: Selection;
  readonly #waiters = new Set<() => void>();
  #started = false;
  #synced = false;

  constructor(options: InformerOptions, resource: GroupVersionResource, selection: Selection) {
    this.#options = options;
    this.#resource = resource;
    this.#selection = selection;
  }

  get lister(): Lister<T> {
    return this.#store;
  }

  get hasSynced(): boolean {
    return this.#synced;
  }

  addIndex(name: string, valuesOf: (object: T) => readonly string[]): void {
    this.#store.addIndex(name, valuesOf);
  }

  addHandler(handler: InformerHandler<T>): Disposable {
    for (const object of this.#store.list()) this.#tell(() => handler.onAdd?.(object));
    this.#handlers.add(handler);
    return disposable(() => this.#handlers.delete(handler));
  }

  waitForSync(context: Context): Promise<void> {
    if (this.#synced) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#waiters.delete(done);
        registration.dispose();
        resolve();
      };
      const registration = context.onEnd(() => {
        this.#waiters.delete(done);
        reject(new CancelledError(context.endedBy ?? 'cancelled', `gave up waiting for ${this.#resource.resource}`));
      });
      this.#waiters.add(done);
    });
  }

  /** Starts once; later calls do nothing. */
  start(context: Context): void {
    if (this.#started) return;
    this.#started = true;
    const { client, clock, random, logger } = this.#options;
    const resource = client.resource<T>(this.#resource);
    const reflector = new Reflector<T>({ resource, sink: this, select: this.#selection, clock, random, logger });
    reflector.run(context).catch((error: unknown) => {
      logger.error('informer stopped: this is a bug', {
        resource: this.#resource.resource,
        error: messageOf(error),
      });
    });
  }

  async replace(objects: readonly T[]): Promise<void> {
    const pacer = new Pacer();
    const gone = new Set(this.#store.keys());
    for (const object of objects) {
      gone.delete(objectKey(object));
      this.upsert(object);
      await pacer.pace();
    }
    for (const key of gone) {
      const last = this.#store.get(key);
      if (last) this.remove(last);
      await pacer.pace();
    }
    this.#synced = true;
    for (const waiter of [...this.#waiters]) waiter();
  }

  upsert(object: T): void {
    const before = this.#store.set(object);
    for (const handler of this.#handlers) {
      this.#tell(() => (before ? handler.onUpdate?.(before, object) : handler.onAdd?.(object)));
    }
  }

  remove(object: T): void {
    if (!this.#store.delete(objectKey(object))) return;
    for (const handler of this.#handlers) this.#tell(() => handler.onDelete?.(object));
  }

  /** One handler's bug must not take the cache of all the others with it. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.logger.error('informer handler threw: this is a bug', {
        resource: this.#resource.resource,
        error: error instanceof Error ? (error.stack ?? error.message) : messageOf(error),
      });
    }
  }
}

/** {@link InformerFactory}: one informer for each resource and selection, whoever asks. Cannot be started after `stop`. */
export class SharedInformerFactory implements InformerFactory {
  readonly #options: InformerOptions;
  readonly #informers = new Map<string, SharedInformer<KubeObject>>();
  #stopped = false;
  #cancels: (() => void)[] = [];

  constructor(options: InformerOptions) {
    this.#options = options;
  }

  informer<T extends KubeObject>(resource: GroupVersionResource, selection: Selection = {}): Informer<T> {
    const { namespace = '', fieldSelector = '', labelSelector = '' } = selection;
    const key = [resource.group, resource.version, resource.resource, namespace, fieldSelector, labelSelector].join(
      '\n',
    );
    let informer = this.#informers.get(key);
    if (!informer) {
      informer = new SharedInformer<KubeObject>(this.#options, resource, selection);
      this.#informers.set(key, informer);
    }
    // The resource names the kind of object that its informer holds: one place trusts it.
    return informer as unknown as Informer<T>;
  }

  start(context: Context): void {
    if (this.#stopped) throw new InvariantError('an informer factory cannot be started after it was stopped');
    const { context: own, cancel } = context.withCancel();
    this.#cancels.push(cancel);
    for (const informer of this.#informers.values()) informer.start(own);
  }

  async waitForSync(context: Context): Promise<void> {
    await Promise.all([...this.#informers.values()].map((informer) => informer.waitForSync(context)));
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#cancels.splice(0)) cancel();
  }
}
