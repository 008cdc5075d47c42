import type { DaemonSet, Node, Pod } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import type { Informer, Reconciler, ResourceClient } from '#client/client';
import { Expectations } from '#client/expectations';
import { createReconciler } from '#client/reconciler';
import { daemonSets, nodes, pods } from '#client/resources';
import { ControllerHistory } from '../controller-history.ts';
import { daemonSetKind } from '../controller-ref.ts';
import { claim, isEmptySelector } from '../controller-ref-manager.ts';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { OwnedIndex } from '../owned-index.ts';
import { causeOf, isNamespaceTerminating, PodControl } from '../pod-control.ts';
import { watchPods } from '../pod-events.ts';
import { nextAvailabilityMs } from '../pod-status.ts';
import { allAtOnce, slowStartBatch } from '../slow-start.ts';
import { writeStatus } from '../status-writer.ts';
import { semanticEqual } from '../template-hash.ts';
import {
  daemonStatus,
  daemonView,
  planDaemons,
  planRollingUpdate,
  type DaemonPlan,
  type DaemonView,
} from './daemon-plan.ts';
import { hashLabel, newDaemonPod } from './daemon-pod.ts';

/** Pods created or deleted in one sync at most (`daemon.BurstReplicas`, release 1.36). */
const burstReplicas = 250;
/** Status changes of many pods within this time are answered by one sync. */
const batchMs = 20;
/** Pods that fail on a node are replaced after a second, two, four ... up to 15 minutes (release 1.36). */
const failureBackoff = { initialMs: 1_000, maxMs: 15 * 60_000 };

interface Failures {
  readonly count: number;
  readonly lastMs: number;
}

/** One pod on every node that wants one (kube-controller-manager `DaemonSetsController`, release 1.36). */
export class DaemonSetController implements Controller {
  readonly #options: ControllerOptions;
  readonly #sets: Informer<DaemonSet>;
  readonly #nodes: Informer<Node>;
  readonly #podsOf: OwnedIndex<Pod>;
  readonly #history: ControllerHistory;
  readonly #client: ResourceClient<DaemonSet>;
  readonly #podControl: PodControl;
  readonly #expectations: Expectations;
  /** By `set uid/node`. */
  readonly #failures = new Map<string, Failures>();
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    const { client, informers, clock, recorder } = options;
    this.#options = options;
    this.#sets = informers.informer<DaemonSet>(daemonSets);
    this.#nodes = informers.informer<Node>(nodes);
    const podInformer = informers.informer<Pod>(pods);
    this.#podsOf = new OwnedIndex(podInformer);
    this.#history = new ControllerHistory(client, informers);
    this.#client = client.resource<DaemonSet>(daemonSets);
    this.#podControl = new PodControl(client, recorder);
    this.#expectations = new Expectations(clock);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    const reconciler = createReconciler({ ...options, name: 'daemonset', workers: 2, sync });
    this.#reconciler = reconciler;
    const podEvents = watchPods({
      pods: podInformer,
      owners: this.#sets,
      kind: daemonSetKind,
      selector: ({ spec }) => spec.selector,
      expectations: this.#expectations,
      enqueue: (key, urgency, revision) => reconciler.enqueueAfter(key, urgency === 'soon' ? batchMs : 0, revision),
    });
    const caches = [this.#sets, this.#nodes, podInformer, this.#history.cache];
    this.#life = new ControllerLife(caches, [reconciler], [this.#watchSets(), this.#watchNodes(), podEvents]);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  #watchSets(): Disposable {
    const enqueue = (object: DaemonSet): void =>
      this.#reconciler.enqueue(objectKey(object), object.metadata.resourceVersion);
    return this.#sets.addHandler({
      onAdd: enqueue,
      onUpdate: (before, after) => {
        if (before.metadata.uid !== after.metadata.uid) this.#expectations.forget(objectKey(before));
        if (before.metadata.resourceVersion !== after.metadata.resourceVersion) enqueue(after);
      },
      onDelete: (object) => {
        this.#expectations.forget(objectKey(object));
        for (const key of this.#failures.keys()) {
          if (key.startsWith(`${object.metadata.uid ?? ''}/`)) this.#failures.delete(key);
        }
      },
    });
  }

  /** A node's status changes every few seconds; only what a pod's fit depends on counts. */
  #watchNodes(): Disposable {
    const enqueueAll = (node: Node): void => {
      for (const set of this.#sets.lister.list())
        this.#reconciler.enqueue(objectKey(set), node.metadata.resourceVersion);
    };
    return this.#nodes.addHandler({
      onAdd: enqueueAll,
      onUpdate: (before, after) => {
        const same =
          semanticEqual(before.metadata.labels, after.metadata.labels) &&
          semanticEqual(before.spec?.taints, after.spec?.taints);
        if (!same) enqueueAll(after);
      },
      onDelete: enqueueAll,
    });
  }

  async #sync(context: Context, key: string): Promise<void> {
    const set = this.#sets.lister.get(key);
    if (!set) {
      this.#expectations.forget(key);
      return;
    }
    if (isEmptySelector(set.spec.selector)) {
      const text = 'This daemon set is selecting all pods. A non-empty selector is required.';
      this.#options.recorder.event(set, 'Warning', 'SelectingAll', text, causeOf(context));
      return;
    }
    if (set.metadata.deletionTimestamp) return;
    const request = { owner: set, owners: this.#client };
    const collisions = set.status?.collisionCount;
    const history = await this.#history.sync(context, { ...request, collisions, hashLabel });
    const hash = history.update.metadata.labels?.[hashLabel] ?? '';
    const owned = await claim(context, {
      ...request,
      selector: set.spec.selector,
      owned: this.#podsOf,
      resource: this.#options.client.resource<Pod>(pods),
    });
    const view = daemonView(set, this.#nodes.lister.list(), owned, hash, this.#options.clock.now());
    if (this.#expectations.satisfied(key)) await this.#manage(context, key, view);
    await this.#writeStatus(context, view, history.collisions);
    const live = new Set(owned.map(({ metadata }) => metadata.labels?.[hashLabel] ?? ''));
    const liveNames = history.revisions.filter(({ metadata }) => live.has(metadata.labels?.[hashLabel] ?? ''));
    const keep = new Set([history.update, ...liveNames].map(({ metadata }) => metadata.name ?? ''));
    await this.#history.truncate(context, history.revisions, keep, set.spec.revisionHistoryLimit ?? 10);
    const againMs = nextAvailabilityMs(owned, set.spec.minReadySeconds ?? 0, this.#options.clock.now());
    if (againMs !== undefined) this.#reconciler.enqueueAfter(key, againMs);
  }

  /** An update moves on only where nothing is missing or too much. */
  async #manage(context: Context, key: string, view: DaemonView): Promise<void> {
    const plan = this.#withoutBackoff(context, key, view, planDaemons(view));
    if (plan.create.length + plan.delete.length > 0) await this.#apply(context, key, view, plan);
    else await this.#apply(context, key, view, planRollingUpdate(view));
  }

  async #apply(context: Context, key: string, view: DaemonView, plan: DaemonPlan): Promise<void> {
    const { set, hash } = view;
    const creates = plan.create.slice(0, burstReplicas);
    const deletes = plan.delete.slice(0, burstReplicas);
    if (creates.length + deletes.length === 0) return;
    // The two kinds of expectation replace each other: what is not made now is made by the sync that follows.
    if (deletes.length > 0) {
      this.#expectations.expectDeletions(key, deletes.map(objectKey));
      await allAtOnce(deletes, (pod) => this.#delete(context, key, set, pod));
      if (creates.length > 0) this.#reconciler.enqueue(key, causeOf(context));
      return;
    }
    this.#expectations.expectCreations(key, creates.length);
    const { succeeded, error } = await slowStartBatch(creates.length, async (index) => {
      try {
        await this.#podControl.create(context, set, newDaemonPod(set, hash, creates[index] ?? ''));
      } catch (failure) {
        if (!isNamespaceTerminating(failure)) throw failure;
        this.#expectations.creationObserved(key);
      }
    });
    for (let i = succeeded; i < creates.length; i++) this.#expectations.creationObserved(key);
    if (error !== undefined) throw error;
  }

  async #delete(context: Context, key: string, set: DaemonSet, pod: Pod): Promise<void> {
    try {
      await this.#podControl.delete(context, set, pod);
    } catch (error) {
      this.#expectations.deletionObserved(key, objectKey(pod));
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }

  /** Takes out failed pods that came too soon after the last, and announces the ones that stay in. */
  #withoutBackoff(context: Context, key: string, { set, nowMs }: DaemonView, plan: DaemonPlan): DaemonPlan {
    const waiting = new Set<Pod>();
    for (const pod of plan.finished) {
      const failed = pod.status?.phase === 'Failed';
      const leftMs = failed ? this.#backoffLeft(set, pod, nowMs) : 0;
      if (leftMs > 0) {
        waiting.add(pod);
        this.#reconciler.enqueueAfter(key, leftMs);
        continue;
      }
      const subject = `daemon pod ${pod.metadata.namespace}/${pod.metadata.name} on node ${pod.spec.nodeName ?? ''}`;
      const [type, reason, text] = failed
        ? (['Warning', 'FailedDaemonPod', `Found failed ${subject}, will try to kill it`] as const)
        : (['Normal', 'SucceededDaemonPod', `Found succeeded ${subject}, will try to delete it`] as const);
      this.#options.recorder.event(set, type, reason, text, causeOf(context));
    }
    return { ...plan, delete: plan.delete.filter((pod) => !waiting.has(pod)) };
  }

  #backoffLeft(set: DaemonSet, pod: Pod, nowMs: number): number {
    const key = `${set.metadata.uid ?? ''}/${pod.spec.nodeName ?? ''}`;
    const before = this.#failures.get(key);
    const { initialMs, maxMs } = failureBackoff;
    const delayMs = before ? Math.min(maxMs, initialMs * 2 ** (before.count - 1)) : 0;
    const leftMs = before ? before.lastMs + delayMs - nowMs : 0;
    if (leftMs > 0) return leftMs;
    // Two quiet maxima in a row: the past is forgotten.
    const forgotten = before !== undefined && nowMs - before.lastMs > 2 * maxMs;
    this.#failures.set(key, { count: forgotten || !before ? 1 : before.count + 1, lastMs: nowMs });
    return 0;
  }

  async #writeStatus(context: Context, view: DaemonView, collisionCount: number | undefined): Promise<void> {
    const status = { ...daemonStatus(view), ...(collisionCount === undefined ? {} : { collisionCount }) };
    if (semanticEqual(status, view.set.status)) return;
    try {
      await writeStatus(context, this.#client, view.set, status);
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }
}
