import type { Job, JobStatus, Pod } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import type { Informer, Reconciler, ResourceClient } from '#client/client';
import { Expectations } from '#client/expectations';
import { controllerOf } from '#client/owner-references';
import { createReconciler } from '#client/reconciler';
import { jobs, pods } from '#client/resources';
import { jobKind, ownerKey } from '../controller-ref.ts';
import { claim } from '../controller-ref-manager.ts';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { OwnedIndex } from '../owned-index.ts';
import { causeOf } from '../pod-control.ts';
import { watchPods } from '../pod-events.ts';
import { allAtOnce } from '../slow-start.ts';
import { semanticEqual } from '../template-hash.ts';
import { FailureBackoff } from './failure-backoff.ts';
import { isTracked } from './job-pod.ts';
import { JobPods } from './job-pods.ts';
import { statusAfterRelease, statusBeforeRelease, suspension, type JobOutcome } from './job-status.ts';
import { activeDeadlineLeftMs, isJobFinished, jobView, verdictOf, type JobView } from './job-view.ts';
import { releasePod } from './pod-release.ts';

/** Status changes of many pods within this time are answered by one sync (upstream waits a second). */
const batchMs = 50;

/** Runs pods to completion and counts each exactly once (kube-controller-manager job `Controller`, release 1.36). */
export class JobController implements Controller {
  readonly #options: ControllerOptions;
  readonly #jobs: Informer<Job>;
  readonly #pods: Informer<Pod>;
  readonly #podsOf: OwnedIndex<Pod>;
  readonly #client: ResourceClient<Job>;
  readonly #podClient: ResourceClient<Pod>;
  readonly #jobPods: JobPods;
  readonly #expectations: Expectations;
  readonly #backoff = new FailureBackoff();
  /** Per job the uids of pods that were counted and let go: the cache may show their finalizer for a while. */
  readonly #released = new Map<string, Set<string>>();
  /** Per job the version this controller wrote last: an older one in the cache would miss what was counted. */
  readonly #written = new Map<string, number>();
  readonly #reconciler: Reconciler;
  /** Keys of pods whose job is gone: their finalizer would keep them for ever. */
  readonly #orphans: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    const { client, informers, clock, recorder } = options;
    this.#options = options;
    this.#jobs = informers.informer<Job>(jobs);
    this.#pods = informers.informer<Pod>(pods);
    this.#podsOf = new OwnedIndex(this.#pods);
    this.#client = client.resource<Job>(jobs);
    this.#podClient = client.resource<Pod>(pods);
    this.#expectations = new Expectations(clock);
    this.#jobPods = new JobPods(client, recorder, this.#expectations);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    const release = (context: Context, key: string): Promise<void> => this.#releaseOrphan(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'job', workers: 5, sync });
    this.#orphans = createReconciler({ ...options, name: 'job-orphan-pod', workers: 2, sync: release });
    const podEvents = watchPods({
      pods: this.#pods,
      owners: this.#jobs,
      kind: jobKind,
      selector: ({ spec }) => spec.selector,
      expectations: this.#expectations,
      enqueue: (key, urgency, revision) =>
        this.#reconciler.enqueueAfter(key, urgency === 'soon' ? batchMs : 0, revision),
    });
    this.#life = new ControllerLife(
      [this.#jobs, this.#pods],
      [this.#reconciler, this.#orphans],
      [this.#watchJobs(), podEvents, this.#watchOrphans()],
    );
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  #watchJobs(): Disposable {
    const enqueue = (job: Job): void => this.#reconciler.enqueue(objectKey(job), job.metadata.resourceVersion);
    const enqueuePods = (job: Job): void => {
      for (const pod of this.#podsOf.ownedBy(job)) this.#enqueueOrphan(pod);
    };
    return this.#jobs.addHandler({
      onAdd: enqueue,
      onUpdate: (before, after) => {
        if (before.metadata.uid !== after.metadata.uid) {
          this.#forget(objectKey(before));
          enqueuePods(before);
        }
        if (before.metadata.resourceVersion !== after.metadata.resourceVersion) enqueue(after);
      },
      onDelete: (job) => {
        this.#forget(objectKey(job));
        enqueuePods(job);
      },
    });
  }

  #watchOrphans(): Disposable {
    return this.#pods.addHandler({
      onAdd: (pod) => this.#enqueueOrphan(pod),
      onUpdate: (_before, pod) => this.#enqueueOrphan(pod),
    });
  }

  #enqueueOrphan(pod: Pod): void {
    if (isTracked(pod) && !this.#jobOf(pod)) this.#orphans.enqueue(objectKey(pod), pod.metadata.resourceVersion);
  }

  #jobOf(pod: Pod): Job | undefined {
    const key = ownerKey(pod, jobKind);
    const job = key === undefined ? undefined : this.#jobs.lister.get(key);
    return job?.metadata.uid === controllerOf(pod)?.uid ? job : undefined;
  }

  #forget(key: string): void {
    this.#expectations.forget(key);
    this.#backoff.forget(key);
    this.#released.delete(key);
    this.#written.delete(key);
  }

  /** Asks the server before letting go: the cache of jobs may be behind that of pods. */
  async #releaseOrphan(context: Context, key: string): Promise<void> {
    const pod = this.#pods.lister.get(key);
    if (!pod || !isTracked(pod) || this.#jobOf(pod)) return;
    const owner = ownerKey(pod, jobKind) === undefined ? undefined : controllerOf(pod);
    if (owner && (await this.#exists(context, pod.metadata.namespace ?? '', owner.name, owner.uid))) return;
    await releasePod(context, this.#podClient, pod);
  }

  async #exists(context: Context, namespace: string, name: string, uid: string): Promise<boolean> {
    try {
      return (await this.#client.get(context, namespace, name)).metadata.uid === uid;
    } catch (error) {
      if (isStatus(error, 'NotFound')) return false;
      throw error;
    }
  }

  async #sync(context: Context, key: string): Promise<void> {
    const job = this.#jobs.lister.get(key);
    if (!job || isJobFinished(job)) {
      this.#forget(key);
      return;
    }
    if (job.spec.managedBy !== undefined && job.spec.managedBy !== 'kubernetes.io/job-controller') return;
    if (Number(job.metadata.resourceVersion) < (this.#written.get(key) ?? 0)) return;
    const mayManage = this.#expectations.satisfied(key);
    const owned = await claim(context, {
      owner: job,
      owners: this.#client,
      selector: job.spec.selector,
      owned: this.#podsOf,
      resource: this.#podClient,
    });
    const nowMs = this.#options.clock.now();
    const view = jobView(job, owned, this.#releasedOf(key, owned));
    const verdict = verdictOf(view, nowMs);
    const counts = verdict
      ? await this.#jobPods.end(context, view)
      : await this.#manage(context, key, view, owned, mayManage);
    const outcome: JobOutcome = { verdict, nowMs, ...counts };
    await this.#track(context, key, view, owned, outcome);
    const deadlineMs = activeDeadlineLeftMs(job, nowMs);
    if (!verdict && deadlineMs !== undefined) this.#reconciler.enqueueAfter(key, deadlineMs);
    if (counts.error !== undefined) throw counts.error;
  }

  #releasedOf(key: string, owned: readonly Pod[]): ReadonlySet<string> {
    const released = this.#released.get(key);
    if (!released) return new Set();
    const shown = new Set(owned.filter(isTracked).map(({ metadata }) => metadata.uid ?? ''));
    for (const uid of released) if (!shown.has(uid)) released.delete(uid);
    return released;
  }

  async #manage(
    context: Context,
    key: string,
    view: JobView,
    owned: readonly Pod[],
    mayManage: boolean,
  ): Promise<Pick<JobOutcome, 'active' | 'ready' | 'terminating'> & { readonly error?: unknown }> {
    const { active, ready, terminating, job } = view;
    if (!mayManage || job.metadata.deletionTimestamp) return { active: active.length, ready, terminating };
    const nowMs = this.#options.clock.now();
    // What ended just now is not in the backoff's records yet: it gets there once it is in the status.
    if (view.newFailed.length > 0 && !job.spec.suspend) return { active: active.length, ready, terminating };
    const leftMs = this.#backoff.leftMs(key, nowMs);
    const result = await this.#jobPods.scale(context, key, view, owned, leftMs > 0 ? 'wait' : 'create');
    if (leftMs > 0) this.#reconciler.enqueueAfter(key, leftMs);
    return result;
  }

  /** Names the pods that ended, lets them go, counts them: `trackJobStatusAndRemoveFinalizers`, release 1.36. */
  async #track(
    context: Context,
    key: string,
    view: JobView,
    owned: readonly Pod[],
    outcome: JobOutcome,
  ): Promise<void> {
    const named = await this.#write(context, view.job, statusBeforeRelease(view, outcome));
    this.#backoff.observe(key, view.newSucceeded, view.newFailed, outcome.nowMs);
    this.#announceSuspension(context, view.job, outcome);
    const { succeeded = [], failed = [] } = named.status?.uncountedTerminatedPods ?? {};
    const uncounted = [...view.newSucceeded, ...view.newIgnored].map(({ metadata }) => metadata.uid ?? '');
    const ended = new Set([...succeeded, ...failed, ...uncounted]);
    const tracked = owned.filter(isTracked);
    await allAtOnce(
      tracked.filter(({ metadata }) => ended.has(metadata.uid ?? '')),
      (pod) => releasePod(context, this.#podClient, pod),
    );
    this.#released.set(key, new Set([...(this.#released.get(key) ?? []), ...ended]));
    const status = statusAfterRelease(named.status ?? {}, ended, outcome);
    const written = await this.#write(context, named, status);
    if (isJobFinished(written)) this.#announceEnd(context, written, outcome);
    else if (view.newFailed.length > 0) this.#reconciler.enqueue(key, causeOf(context));
  }

  /** A stale job must fail here and be looked at again: counting on top of it would count twice. */
  async #write(context: Context, job: Job, status: JobStatus): Promise<Job> {
    if (semanticEqual(status, job.status)) return job;
    const written = await this.#client.updateStatus(context, { ...job, status });
    this.#written.set(objectKey(job), Number(written.metadata.resourceVersion));
    return written;
  }

  #announceSuspension(context: Context, job: Job, { verdict }: JobOutcome): void {
    const changed = suspension(job);
    if (changed === undefined || verdict) return;
    const [reason, text] = changed === 'suspended' ? ['Suspended', 'Job suspended'] : ['Resumed', 'Job resumed'];
    this.#options.recorder.event(job, 'Normal', reason ?? '', text ?? '', causeOf(context));
  }

  #announceEnd(context: Context, job: Job, { verdict }: JobOutcome): void {
    if (!verdict) return;
    const { recorder } = this.#options;
    if (verdict.type === 'Complete') recorder.event(job, 'Normal', 'Completed', 'Job completed', causeOf(context));
    else recorder.event(job, 'Warning', verdict.reason, verdict.message, causeOf(context));
  }
}
