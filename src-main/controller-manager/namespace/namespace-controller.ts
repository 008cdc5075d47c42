import type { Namespace, NamespaceCondition } from '#api/gen/types';
import { formatGroupVersion, type GroupVersionResource, type KubeObject } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import { formatTime } from '#base/clock';
import type { Context } from '#base/context';
import { jsonEqual } from '#base/freeze';
import type { Informer, Reconciler, ResourceClient } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { namespaces } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { deletableResources } from '../deletable-resources.ts';
import { contentConditions, type Remaining } from './namespace-conditions.ts';

/** Between looks at content that is on its way out. Shorter than upstream's, which guesses from the pods' grace. */
const lookAgainMs = 1_000;

/**
 * Empties namespaces that are being deleted and then lets them go (kube-controller-manager `namespace`, release 1.36).
 * Which resources there are comes from the API's own table, so nothing is left behind.
 */
export class NamespaceController implements Controller {
  readonly #options: ControllerOptions;
  readonly #namespaces: Informer<Namespace>;
  readonly #client: ResourceClient<Namespace>;
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#namespaces = options.informers.informer<Namespace>(namespaces);
    this.#client = options.client.resource<Namespace>(namespaces);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'namespace', workers: 10, sync });
    const enqueue = (namespace: Namespace): void => {
      const { name = '', deletionTimestamp, resourceVersion } = namespace.metadata;
      if (deletionTimestamp) this.#reconciler.enqueue(name, resourceVersion);
    };
    const handler = this.#namespaces.addHandler({
      onAdd: enqueue,
      onUpdate: (_before, namespace) => enqueue(namespace),
    });
    this.#life = new ControllerLife([this.#namespaces], [this.#reconciler], [handler]);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  async #sync(context: Context, name: string): Promise<void> {
    const namespace = this.#namespaces.lister.get(name);
    if (!namespace?.metadata.deletionTimestamp) return;
    const { finalizers = [] } = namespace.spec;
    if (!finalizers.includes('kubernetes')) return;
    const remaining = await this.#deleteContent(context, name);
    const isEmpty = remaining.length === 0;
    const current = await this.#writeConditions(context, namespace, remaining);
    if (!current) return;
    if (!isEmpty) {
      this.#reconciler.enqueueAfter(name, lookAgainMs, context.cause?.revision);
      return;
    }
    const spec = { ...current.spec, finalizers: finalizers.filter((finalizer) => finalizer !== 'kubernetes') };
    try {
      await this.#client.updateSubresource(context, { ...current, spec }, 'finalize');
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }

  /** Asks for everything to go and tells what is still there afterwards. */
  async #deleteContent(context: Context, namespace: string): Promise<readonly Remaining[]> {
    const found = await Promise.all(
      deletableResources
        .filter((resource) => resource.namespaced)
        .map(async ({ resource }) => {
          const before = await this.#list(context, resource, namespace);
          if (before.length === 0) return undefined;
          await this.#deleteAll(context, resource, namespace, before);
          const objects = await this.#list(context, resource, namespace);
          return objects.length > 0 ? { resource, objects } : undefined;
        }),
    );
    return found.flatMap((each) => each ?? []);
  }

  async #list(context: Context, resource: GroupVersionResource, namespace: string): Promise<readonly KubeObject[]> {
    return (await this.#options.client.resource<KubeObject>(resource).list(context, { namespace })).items;
  }

  async #deleteAll(
    context: Context,
    resource: GroupVersionResource,
    namespace: string,
    objects: readonly KubeObject[],
  ): Promise<void> {
    const client = this.#options.client.resource<KubeObject>(resource);
    // What was asked to go already is left to its own grace period.
    if (objects.every(({ metadata }) => metadata.deletionTimestamp)) return;
    try {
      await client.deleteCollection(context, { namespace, propagationPolicy: 'Background' });
    } catch (error) {
      if (!isStatus(error, 'MethodNotAllowed')) throw error;
      const name = `${formatGroupVersion(resource)}/${resource.resource}`;
      this.#options.logger.debug('no delete of whole collections, deleting one by one', { resource: name });
      for (const { metadata } of objects) await client.delete(context, namespace, metadata.name ?? '');
    }
  }

  /** The namespace as stored now; undefined when it is gone. */
  async #writeConditions(
    context: Context,
    namespace: Namespace,
    remaining: readonly Remaining[],
  ): Promise<Namespace | undefined> {
    const now = formatTime(this.#options.clock.now());
    const before = namespace.status?.conditions ?? [];
    const conditions = contentConditions(remaining).map((condition): NamespaceCondition => {
      const same = before.find(({ type, status }) => type === condition.type && status === condition.status);
      return { ...condition, lastTransitionTime: same?.lastTransitionTime ?? now };
    });
    if (jsonEqual(conditions, before)) return namespace;
    try {
      return await this.#client.updateStatus(context, { ...namespace, status: { phase: 'Terminating', conditions } });
    } catch (error) {
      if (isStatus(error, 'NotFound')) return undefined;
      throw error;
    }
  }
}
