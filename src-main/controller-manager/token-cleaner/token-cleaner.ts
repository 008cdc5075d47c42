import type { Secret } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { Informer, Reconciler } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { secrets } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';

const namespace = 'kube-system';
const dayMs = 86_400_000;

/** Removes bootstrap tokens whose time has passed (kube-controller-manager `token-cleaner`, release 1.36). */
export class TokenCleaner implements Controller {
  readonly #options: ControllerOptions;
  readonly #secrets: Informer<Secret>;
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const fieldSelector = 'type=bootstrap.kubernetes.io/token';
    this.#secrets = options.informers.informer<Secret>(secrets, { namespace, fieldSelector });
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'token-cleaner', workers: 1, sync });
    const enqueue = ({ metadata }: Secret): void =>
      this.#reconciler.enqueue(`${namespace}/${metadata.name ?? ''}`, metadata.resourceVersion);
    const handler = this.#secrets.addHandler({ onAdd: enqueue, onUpdate: (_before, secret) => enqueue(secret) });
    this.#life = new ControllerLife([this.#secrets], [this.#reconciler], [handler]);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  async #sync(context: Context, key: string): Promise<void> {
    const secret = this.#secrets.lister.get(key);
    const expiration = Buffer.from(secret?.data?.['expiration'] ?? '', 'base64').toString();
    if (!secret || expiration === '') return;
    const leftMs = Date.parse(expiration) - this.#options.clock.now();
    if (leftMs > 0) {
      this.#reconciler.enqueueAfter(key, Math.min(leftMs, dayMs));
      return;
    }
    const { name = '', uid } = secret.metadata;
    try {
      const options = uid === undefined ? {} : { preconditions: { uid } };
      await this.#options.client.resource<Secret>(secrets).delete(context, namespace, name, options);
    } catch (error) {
      if (!isStatus(error, 'NotFound', 'Conflict')) throw error;
    }
  }
}
