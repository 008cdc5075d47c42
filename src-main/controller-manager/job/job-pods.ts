import type { Pod } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { EventRecorder, KubeClient, ResourceClient } from '#client/client';
import type { Expectations } from '#client/expectations';
import { pods } from '#client/resources';
import { isNamespaceTerminating, PodControl } from '../pod-control.ts';
import { isPodReady } from '../pod-status.ts';
import { allAtOnce, slowStartBatch } from '../slow-start.ts';
import { isIndexed, newJobPod } from './job-pod.ts';
import { pendingIndexes, replacesOnlyFailed, wantedActive, type JobView } from './job-view.ts';
import { releasePod } from './pod-release.ts';

/** Pods created or deleted in one sync at most (`MaxPodCreateDeletePerSync`, release 1.36). */
const burst = 500;

export interface PodCounts {
  readonly active: number;
  readonly ready: number;
  readonly terminating: number;
  /** Why not everything could be done; what was done is in the counts. */
  readonly error?: unknown;
}

/** Brings the number of a job's active pods to what it should be (`manageJob`, release 1.36). */
export class JobPods {
  readonly #pods: ResourceClient<Pod>;
  readonly #control: PodControl;
  readonly #expectations: Expectations;

  constructor(client: KubeClient, recorder: EventRecorder, expectations: Expectations) {
    this.#pods = client.resource<Pod>(pods);
    this.#control = new PodControl(client, recorder);
    this.#expectations = expectations;
  }

  /** The job has ended: its active pods go, and count as failed when they are gone. */
  async end(context: Context, view: JobView): Promise<PodCounts> {
    try {
      await allAtOnce(view.active, (pod) => this.#delete(context, view, pod));
    } catch (error) {
      return { active: view.active.length, ready: view.ready, terminating: view.terminating, error };
    }
    return { active: 0, ready: 0, terminating: view.terminating + view.active.length };
  }

  async scale(
    context: Context,
    key: string,
    view: JobView,
    owned: readonly Pod[],
    missing: 'create' | 'wait',
  ): Promise<PodCounts> {
    const { active, ready, terminating, job } = view;
    const wanted = job.spec.suspend ? 0 : wantedActive(view);
    if (active.length > wanted) return this.#remove(context, key, view, active.length - wanted);
    const held = replacesOnlyFailed(job) ? terminating : 0;
    const count = Math.min(burst, wanted - active.length - held);
    if (count <= 0 || missing === 'wait') return { active: active.length, ready, terminating };
    return this.#create(context, key, view, owned, count);
  }

  async #create(
    context: Context,
    key: string,
    view: JobView,
    owned: readonly Pod[],
    wanted: number,
  ): Promise<PodCounts> {
    const { job, active, ready, terminating } = view;
    const indexes = isIndexed(job) ? pendingIndexes(view, owned, wanted) : undefined;
    const count = indexes?.length ?? wanted;
    this.#expectations.expectCreations(key, count);
    const { succeeded, error } = await slowStartBatch(count, async (i) => {
      try {
        await this.#control.create(context, job, newJobPod(job, indexes?.[i]));
      } catch (failure) {
        if (!isNamespaceTerminating(failure)) throw failure;
        this.#expectations.creationObserved(key);
      }
    });
    for (let i = succeeded; i < count; i++) this.#expectations.creationObserved(key);
    return { active: active.length + succeeded, ready, terminating, ...(error === undefined ? {} : { error }) };
  }

  /** Pods the job itself no longer wants are no failures: they are let go first. Those not ready go first. */
  async #remove(context: Context, key: string, view: JobView, count: number): Promise<PodCounts> {
    const chosen = [...view.active].sort((a, b) => Number(isPodReady(a)) - Number(isPodReady(b))).slice(0, count);
    this.#expectations.expectDeletions(key, chosen.map(objectKey));
    const kept = view.active.length - chosen.length;
    const ready = view.active.filter((pod) => isPodReady(pod) && !chosen.includes(pod)).length;
    try {
      await allAtOnce(chosen, async (pod) => {
        try {
          await releasePod(context, this.#pods, pod);
          await this.#delete(context, view, pod);
        } catch (error) {
          this.#expectations.deletionObserved(key, objectKey(pod));
          throw error;
        }
      });
    } catch (error) {
      return { active: view.active.length, ready: view.ready, terminating: view.terminating, error };
    }
    return { active: kept, ready, terminating: view.terminating + chosen.length };
  }

  async #delete(context: Context, { job }: JobView, pod: Pod): Promise<void> {
    try {
      await this.#control.delete(context, job, pod);
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }
}
