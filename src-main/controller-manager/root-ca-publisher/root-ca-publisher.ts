import type { ConfigMap, Namespace } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import { jsonEqual } from '#base/freeze';
import type { Informer, Reconciler } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { configMaps, namespaces } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { isNamespaceTerminating } from '../pod-control.ts';

const configMapName = 'kube-root-ca.crt';
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

export interface RootCaPublisherOptions extends ControllerOptions {
  /** The cluster's authority, PEM. */
  readonly rootCa: string;
}

/** Puts the cluster's authority into every namespace, for pods to mount (kube-controller-manager `rootcacertpublisher`, 1.36). */
export class RootCaPublisher implements Controller {
  readonly #options: RootCaPublisherOptions;
  readonly #namespaces: Informer<Namespace>;
  readonly #configMaps: Informer<ConfigMap>;
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: RootCaPublisherOptions) {
    this.#options = options;
    this.#namespaces = options.informers.informer<Namespace>(namespaces);
    const fieldSelector = `metadata.name=${configMapName}`;
    this.#configMaps = options.informers.informer<ConfigMap>(configMaps, { fieldSelector });
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'root-ca-publisher', workers: 5, sync });
    const changed = ({ metadata }: ConfigMap): void => {
      this.#reconciler.enqueue(metadata.namespace ?? '', metadata.resourceVersion);
    };
    const enqueue = ({ metadata }: Namespace): void =>
      this.#reconciler.enqueue(metadata.name ?? '', metadata.resourceVersion);
    const handlers = [
      this.#namespaces.addHandler({ onAdd: enqueue, onUpdate: (_before, namespace) => enqueue(namespace) }),
      this.#configMaps.addHandler({ onUpdate: (_before, object) => changed(object), onDelete: changed }),
    ];
    this.#life = new ControllerLife([this.#namespaces, this.#configMaps], [this.#reconciler], handlers);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  async #sync(context: Context, namespace: string): Promise<void> {
    const object = this.#namespaces.lister.get(namespace);
    if (!object || object.metadata.deletionTimestamp) return;
    const client = this.#options.client.resource<ConfigMap>(configMaps);
    const existing = this.#configMaps.lister.get(`${namespace}/${configMapName}`);
    const data = { 'ca.crt': this.#options.rootCa };
    const annotations = { ...existing?.metadata.annotations, 'kubernetes.io/description': description };
    try {
      if (!existing) {
        const metadata = { name: configMapName, namespace, annotations };
        await client.create(context, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
      } else if (!jsonEqual(existing.data, data) || !jsonEqual(existing.metadata.annotations, annotations)) {
        await client.update(context, { ...existing, metadata: { ...existing.metadata, annotations }, data });
      }
    } catch (error) {
      if (!isStatus(error, 'AlreadyExists') && !isNamespaceTerminating(error)) throw error;
    }
  }
}
