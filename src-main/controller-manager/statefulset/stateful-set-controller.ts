import type { ControllerRevision, Pod, StatefulSet } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { present } from '#base/errors';
import type { Informer, Reconciler, ResourceClient } from '#client/client';
import { Expectations } from '#client/expectations';
import { createReconciler } from '#client/reconciler';
import { pods, statefulSets } from '#client/resources';
import { statefulSetKind } from '../controller-ref.ts';
import { claim, isEmptySelector } from '../controller-ref-manager.ts';
import { ControllerHistory, templateOf, type RevisionResult } from '../controller-history.ts';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { OwnedIndex } from '../owned-index.ts';
import { causeOf } from '../pod-control.ts';
import { watchPods } from '../pod-events.ts';
import { nextAvailabilityMs } from '../pod-status.ts';
import { allAtOnce } from '../slow-start.ts';
import { writeStatus } from '../status-writer.ts';
import { semanticEqual } from '../template-hash.ts';
import { newStatefulPod, revisionLabel } from './stateful-pod.ts';
import { StatefulPodControl } from './stateful-pod-control.ts';
import { planSteps, statefulStatus, type StatefulStep, type StatefulView } from './stateful-plan.ts';

/** Pods with stable names, made and replaced in order (kube-controller-manager `StatefulSetController`, release 1.36). */
export class StatefulSetController implements Controller {
  readonly #options: ControllerOptions;
  readonly #sets: Informer<StatefulSet>;
  readonly #podsOf: OwnedIndex<Pod>;
  readonly #history: ControllerHistory;
  readonly #client: ResourceClient<StatefulSet>;
  readonly #podControl: StatefulPodControl;
  /** Deletions only: a pod made twice is refused by its name. */
  readonly #expectations: Expectations;
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    const { client, informers, recorder, clock } = options;
    this.#options = options;
    this.#sets = informers.informer<StatefulSet>(statefulSets);
    const podInformer = informers.informer<Pod>(pods);
    this.#podsOf = new OwnedIndex(podInformer);
    this.#history = new ControllerHistory(client, informers);
    this.#client = client.resource<StatefulSet>(statefulSets);
    this.#podControl = new StatefulPodControl(client, recorder);
    this.#expectations = new Expectations(clock);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    const reconciler = createReconciler({ ...options, name: 'statefulset', workers: 5, sync });
    this.#reconciler = reconciler;
    const podEvents = watchPods({
      pods: podInformer,
      owners: this.#sets,
      kind: statefulSetKind,
      selector: ({ spec }) => spec.selector,
      expectations: this.#expectations,
      enqueue: (key, _urgency, revision) => reconciler.enqueue(key, revision),
    });
    const caches = [this.#sets, podInformer, this.#history.cache];
    this.#life = new ControllerLife(caches, [reconciler], [this.#watchSets(), podEvents]);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  #watchSets(): Disposable {
    const enqueue = (object: StatefulSet): void =>
      this.#reconciler.enqueue(objectKey(object), object.metadata.resourceVersion);
    return this.#sets.addHandler({
      onAdd: enqueue,
      onUpdate: (before, after) => {
        if (before.metadata.resourceVersion !== after.metadata.resourceVersion) enqueue(after);
      },
    });
  }

  async #sync(context: Context, key: string): Promise<void> {
    const set = this.#sets.lister.get(key);
    if (!set) {
      this.#expectations.forget(key);
      return;
    }
    const mayAct = this.#expectations.satisfied(key);
    if (isEmptySelector(set.spec.selector)) return;
    const request = { owner: set, owners: this.#client };
    const claimed = await claim(context, {
      ...request,
      selector: set.spec.selector,
      owned: this.#podsOf,
      resource: this.#options.client.resource<Pod>(pods),
    });
    const history = await this.#history.sync(context, {
      ...request,
      collisions: set.status?.collisionCount,
      hashLabel: 'controller.kubernetes.io/hash',
    });
    const view = this.#viewOf(set, claimed, history);
    await this.#writeStatus(context, view);
    if (mayAct) await this.#take(context, view, history.revisions, planSteps(view));
    await this.#truncate(context, view, history.revisions);
    const againMs = nextAvailabilityMs(claimed, set.spec.minReadySeconds ?? 0, this.#options.clock.now());
    if (againMs !== undefined) this.#reconciler.enqueueAfter(key, againMs);
  }

  /** A current revision that is no longer there (or never was) is the one to update to. */
  #viewOf(set: StatefulSet, claimed: readonly Pod[], { revisions, update, collisions }: RevisionResult): StatefulView {
    const updateRevision = update.metadata.name ?? '';
    const current = revisions.find(({ metadata }) => metadata.name === set.status?.currentRevision);
    return {
      set,
      pods: claimed,
      currentRevision: current?.metadata.name ?? updateRevision,
      updateRevision,
      collisionCount: collisions,
      nowMs: this.#options.clock.now(),
    };
  }

  async #take(
    context: Context,
    { set }: StatefulView,
    revisions: readonly ControllerRevision[],
    steps: readonly StatefulStep[],
  ): Promise<void> {
    const key = objectKey(set);
    const leaving = steps.flatMap((step) => (step.do === 'create' ? [] : [objectKey(step.pod)]));
    if (leaving.length > 0) this.#expectations.expectDeletions(key, leaving);
    await allAtOnce(steps, async (step) => {
      if (step.do === 'create') {
        const revision = revisions.find(({ metadata }) => metadata.name === step.revision);
        const template = templateOf(present(revision, `a planned revision ${step.revision} is one of the set's`));
        const draft = newStatefulPod(set, template, step.revision, step.ordinal);
        return this.#podControl.create(context, set, step.ordinal, draft);
      }
      if (step.do === 'recreate') this.#announceRecreation(context, set, step.pod);
      return this.#delete(context, key, set, step.pod);
    });
  }

  async #delete(context: Context, key: string, set: StatefulSet, pod: Pod): Promise<void> {
    try {
      const seen = await this.#podControl.delete(context, set, pod);
      if (seen === 'gone') this.#expectations.deletionObserved(key, objectKey(pod));
    } catch (error) {
      this.#expectations.deletionObserved(key, objectKey(pod));
      throw error;
    }
  }

  #announceRecreation(context: Context, set: StatefulSet, pod: Pod): void {
    const failed = pod.status?.phase === 'Failed';
    const subject = `StatefulSet ${set.metadata.namespace}/${set.metadata.name} is recreating`;
    this.#options.recorder.event(
      set,
      failed ? 'Warning' : 'Normal',
      failed ? 'RecreatingFailedPod' : 'RecreatingTerminatedPod',
      `${subject} ${failed ? 'failed' : 'terminated'} Pod ${pod.metadata.name}`,
      causeOf(context),
    );
  }

  async #writeStatus(context: Context, view: StatefulView): Promise<void> {
    const status = statefulStatus(view);
    if (semanticEqual(status, view.set.status)) return;
    try {
      await writeStatus(context, this.#client, view.set, status);
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }

  async #truncate(context: Context, view: StatefulView, revisions: readonly ControllerRevision[]): Promise<void> {
    const live = new Set([view.currentRevision, view.updateRevision]);
    for (const { metadata } of view.pods) live.add(metadata.labels?.[revisionLabel] ?? '');
    await this.#history.truncate(context, revisions, live, view.set.spec.revisionHistoryLimit ?? 10);
  }
}
