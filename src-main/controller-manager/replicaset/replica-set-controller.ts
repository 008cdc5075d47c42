import type { Pod, ReplicaSet } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { Informer, Reconciler, ResourceClient } from '#client/client';
import { Expectations } from '#client/expectations';
import { controllerOf, controllerReference } from '#client/owner-references';
import { createReconciler } from '#client/reconciler';
import { pods, replicaSets } from '#client/resources';
import { replicaSetKind } from '../controller-ref.ts';
import { claim } from '../controller-ref-manager.ts';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { OwnedIndex } from '../owned-index.ts';
import { isNamespaceTerminating, PodControl, podFromTemplate } from '../pod-control.ts';
import { watchPods } from '../pod-events.ts';
import { isPodActive, isPodFinished, isPodTerminating, nextAvailabilityMs } from '../pod-status.ts';
import { allAtOnce, slowStartBatch } from '../slow-start.ts';
import { writeStatus } from '../status-writer.ts';
import { semanticEqual } from '../template-hash.ts';
import { podsToDelete } from './deletion-ranking.ts';
import { calculateStatus, type ReplicaSetObservation } from './replica-set-status.ts';

/** Pods created or deleted in one sync at most (`replicaset.BurstReplicas`, release 1.36). */
const burstReplicas = 500;
/** Status changes of many pods within this time are answered by one sync. */
const batchMs = 20;

/** Keeps as many active pods as a ReplicaSet asks for (kube-controller-manager `ReplicaSetController`, release 1.36). */
export class ReplicaSetController implements Controller {
  readonly #options: ControllerOptions;
  readonly #replicaSets: Informer<ReplicaSet>;
  readonly #podsOf: OwnedIndex<Pod>;
  readonly #siblings: OwnedIndex<ReplicaSet>;
  readonly #client: ResourceClient<ReplicaSet>;
  readonly #podControl: PodControl;
  readonly #expectations: Expectations;
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    const { client, informers, clock, recorder } = options;
    this.#options = options;
    this.#replicaSets = informers.informer<ReplicaSet>(replicaSets);
    const podInformer = informers.informer<Pod>(pods);
    this.#podsOf = new OwnedIndex(podInformer);
    this.#siblings = new OwnedIndex(this.#replicaSets);
    this.#client = client.resource<ReplicaSet>(replicaSets);
    this.#podControl = new PodControl(client, recorder);
    this.#expectations = new Expectations(clock);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    const reconciler = createReconciler({ ...options, name: 'replicaset', workers: 5, sync });
    this.#reconciler = reconciler;
    this.#life = new ControllerLife(
      [this.#replicaSets, podInformer],
      [reconciler],
      [
        this.#watchReplicaSets(),
        watchPods({
          pods: podInformer,
          owners: this.#replicaSets,
          kind: replicaSetKind,
          selector: ({ spec }) => spec.selector,
          expectations: this.#expectations,
          enqueue: (key, urgency, revision) => reconciler.enqueueAfter(key, urgency === 'soon' ? batchMs : 0, revision),
        }),
      ],
    );
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  #watchReplicaSets(): { dispose(): void } {
    const enqueue = (object: ReplicaSet): void =>
      this.#reconciler.enqueue(objectKey(object), object.metadata.resourceVersion);
    return this.#replicaSets.addHandler({
      onAdd: enqueue,
      onUpdate: (before, after) => {
        // A new object under an old name: what was expected of the old one will never be seen.
        if (before.metadata.uid !== after.metadata.uid) this.#expectations.forget(objectKey(before));
        if (before.metadata.resourceVersion !== after.metadata.resourceVersion) enqueue(after);
      },
      onDelete: (object) => {
        this.#expectations.forget(objectKey(object));
        enqueue(object);
      },
    });
  }

  async #sync(context: Context, key: string): Promise<void> {
    const replicaSet = this.#replicaSets.lister.get(key);
    if (!replicaSet) {
      this.#expectations.forget(key);
      return;
    }
    const mayManage = this.#expectations.satisfied(key);
    const claimed = await claim(context, {
      owner: replicaSet,
      owners: this.#client,
      selector: replicaSet.spec.selector,
      owned: this.#podsOf,
      resource: this.#options.client.resource<Pod>(pods),
    });
    const active = claimed.filter(isPodActive);
    let failure: ReplicaSetObservation['failure'];
    if (mayManage && !replicaSet.metadata.deletionTimestamp)
      failure = await this.#manage(context, key, replicaSet, active);
    await this.#writeStatus(context, replicaSet, {
      active,
      terminating: claimed.filter((pod) => isPodTerminating(pod) && !isPodFinished(pod)).length,
      ...(failure ? { failure } : {}),
      nowMs: this.#options.clock.now(),
    });
    if (failure) throw failure.error;
    const againMs = nextAvailabilityMs(active, replicaSet.spec.minReadySeconds ?? 0, this.#options.clock.now());
    if (againMs !== undefined) this.#reconciler.enqueueAfter(key, againMs);
  }

  async #manage(
    context: Context,
    key: string,
    replicaSet: ReplicaSet,
    active: readonly Pod[],
  ): Promise<ReplicaSetObservation['failure']> {
    const missing = (replicaSet.spec.replicas ?? 1) - active.length;
    try {
      if (missing > 0) await this.#createPods(context, key, replicaSet, Math.min(missing, burstReplicas));
      else if (missing < 0) await this.#deletePods(context, key, replicaSet, active, Math.min(-missing, burstReplicas));
      return undefined;
    } catch (error) {
      return { error, during: missing > 0 ? 'create' : 'delete' };
    }
  }

  async #createPods(context: Context, key: string, replicaSet: ReplicaSet, count: number): Promise<void> {
    const draft = podFromTemplate(replicaSet, replicaSet.spec.template, controllerReference(replicaSet));
    this.#expectations.expectCreations(key, count);
    const { succeeded, error } = await slowStartBatch(count, async () => {
      try {
        await this.#podControl.create(context, replicaSet, draft);
      } catch (failure) {
        if (!isNamespaceTerminating(failure)) throw failure;
        this.#expectations.creationObserved(key);
      }
    });
    for (let i = succeeded; i < count; i++) this.#expectations.creationObserved(key);
    if (error !== undefined) throw error;
  }

  async #deletePods(
    context: Context,
    key: string,
    replicaSet: ReplicaSet,
    active: readonly Pod[],
    count: number,
  ): Promise<void> {
    const chosen = podsToDelete(active, this.#relatedPods(replicaSet), count, this.#options.clock.now());
    this.#expectations.expectDeletions(key, chosen.map(objectKey));
    await allAtOnce(chosen, async (pod) => {
      try {
        await this.#podControl.delete(context, replicaSet, pod);
      } catch (error) {
        this.#expectations.deletionObserved(key, objectKey(pod));
        if (!isStatus(error, 'NotFound')) throw error;
      }
    });
  }

  /** Active pods of all replica sets with the same owner: the pods of one Deployment spread over the nodes together. */
  #relatedPods(replicaSet: ReplicaSet): readonly Pod[] {
    const owner = controllerOf(replicaSet);
    const siblings = owner ? this.#siblings.ownedByUid(owner.uid) : [replicaSet];
    return siblings.flatMap((sibling) => this.#podsOf.ownedBy(sibling)).filter(isPodActive);
  }

  async #writeStatus(context: Context, replicaSet: ReplicaSet, observed: ReplicaSetObservation): Promise<void> {
    const status = calculateStatus(replicaSet, observed);
    if (semanticEqual(status, replicaSet.status)) return;
    try {
      await writeStatus(context, this.#client, replicaSet, status);
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }
}
