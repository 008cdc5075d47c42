import type { Namespace, ServiceAccount } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { Informer, Reconciler } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { namespaces, serviceAccounts } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { isNamespaceTerminating } from '../pod-control.ts';

/** Gives every namespace a ServiceAccount `default` (kube-controller-manager `serviceaccount`, release 1.36). */
export class ServiceAccountController implements Controller {
  readonly #options: ControllerOptions;
  readonly #namespaces: Informer<Namespace>;
  readonly #accounts: Informer<ServiceAccount>;
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#namespaces = options.informers.informer<Namespace>(namespaces);
    this.#accounts = options.informers.informer<ServiceAccount>(serviceAccounts);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'serviceaccount', workers: 5, sync });
    const enqueue = ({ metadata }: Namespace): void =>
      this.#reconciler.enqueue(metadata.name ?? '', metadata.resourceVersion);
    const handlers = [
      this.#namespaces.addHandler({ onAdd: enqueue, onUpdate: (_before, namespace) => enqueue(namespace) }),
      this.#accounts.addHandler({
        onDelete: ({ metadata }) => {
          if (metadata.name === 'default') this.#reconciler.enqueue(metadata.namespace ?? '', metadata.resourceVersion);
        },
      }),
    ];
    this.#life = new ControllerLife([this.#namespaces, this.#accounts], [this.#reconciler], handlers);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  async #sync(context: Context, namespace: string): Promise<void> {
    const object = this.#namespaces.lister.get(namespace);
    if (!object || object.metadata.deletionTimestamp || this.#accounts.lister.get(`${namespace}/default`)) return;
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } };
    try {
      await this.#options.client.resource<ServiceAccount>(serviceAccounts).create(context, account);
    } catch (error) {
      if (!isStatus(error, 'AlreadyExists') && !isNamespaceTerminating(error)) throw error;
    }
  }
}
