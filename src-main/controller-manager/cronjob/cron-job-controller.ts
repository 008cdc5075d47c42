import type { CronJob, CronJobStatus, Job, ObjectReference } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import { formatTime } from '#base/clock';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import type { Draft, Informer, Reconciler, ResourceClient } from '#client/client';
import { controllerOf, isControlledBy } from '#client/owner-references';
import { createReconciler } from '#client/reconciler';
import { cronJobs, jobs } from '#client/resources';
import { cronJobKind, ownerKey } from '../controller-ref.ts';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { isJobFinished, jobCondition } from '../job/job-view.ts';
import { OwnedIndex } from '../owned-index.ts';
import { causeOf, isNamespaceTerminating } from '../pod-control.ts';
import { semanticEqual } from '../template-hash.ts';
import { expiredJobs, jobReference, newCronJobJob, withFinishedJobs } from './cron-job-history.ts';
import { mostRecentTime, parseSchedule, ScheduleError, type Schedule } from './schedule.ts';

/** Times are whole seconds: a sync a little later than asked must not find that it is still too early. */
const lateMs = 100;

/** Starts jobs by the clock (kube-controller-manager cronjob `ControllerV2`, release 1.36). */
export class CronJobController implements Controller {
  readonly #options: ControllerOptions;
  readonly #cronJobs: Informer<CronJob>;
  readonly #jobs: Informer<Job>;
  readonly #jobsOf: OwnedIndex<Job>;
  readonly #client: ResourceClient<CronJob>;
  readonly #jobClient: ResourceClient<Job>;
  /** The versions this controller wrote last: an older one in the cache has forgotten a job. */
  readonly #written = new Map<string, number>();
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    const { client, informers } = options;
    this.#options = options;
    this.#cronJobs = informers.informer<CronJob>(cronJobs);
    this.#jobs = informers.informer<Job>(jobs);
    this.#jobsOf = new OwnedIndex(this.#jobs);
    this.#client = client.resource<CronJob>(cronJobs);
    this.#jobClient = client.resource<Job>(jobs);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'cronjob', workers: 5, sync });
    this.#life = new ControllerLife(
      [this.#cronJobs, this.#jobs],
      [this.#reconciler],
      [this.#watchCronJobs(), this.#watchJobs()],
    );
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  #watchCronJobs(): Disposable {
    const enqueue = (object: CronJob): void =>
      this.#reconciler.enqueue(objectKey(object), object.metadata.resourceVersion);
    return this.#cronJobs.addHandler({
      onAdd: enqueue,
      onUpdate: (before, after) => {
        if (before.metadata.resourceVersion !== after.metadata.resourceVersion) enqueue(after);
      },
    });
  }

  #watchJobs(): Disposable {
    const enqueue = (job: Job): void => {
      const key = ownerKey(job, cronJobKind);
      if (key !== undefined) this.#reconciler.enqueue(key, job.metadata.resourceVersion);
    };
    return this.#jobs.addHandler({
      onAdd: enqueue,
      onUpdate: (before, after) => {
        if (before.metadata.resourceVersion === after.metadata.resourceVersion) return;
        if (controllerOf(before)?.uid !== controllerOf(after)?.uid) enqueue(before);
        enqueue(after);
      },
      onDelete: enqueue,
    });
  }

  async #sync(context: Context, key: string): Promise<void> {
    const cronJob = this.#cronJobs.lister.get(key);
    if (!cronJob) {
      this.#written.delete(key);
      return;
    }
    if (Number(cronJob.metadata.resourceVersion) < (this.#written.get(key) ?? 0)) return;
    const owned = this.#jobsOf.ownedBy(cronJob);
    await this.#cleanUp(context, cronJob, owned);
    let status = await this.#withoutMissing(context, cronJob, owned, this.#noteFinished(context, cronJob, owned));
    if (cronJob.metadata.deletionTimestamp || cronJob.spec.suspend) {
      await this.#write(context, cronJob, status);
      return;
    }
    const schedule = this.#parse(context, cronJob);
    if (schedule) {
      status = await this.#startDue(context, cronJob, schedule, status);
      this.#wakeAtNext(key, schedule);
    }
    await this.#write(context, cronJob, status);
  }

  /** The children as the status should know them, with an event for each that ended since. */
  #noteFinished(context: Context, cronJob: CronJob, owned: readonly Job[]): CronJobStatus {
    const active = new Set((cronJob.status?.active ?? []).map(({ uid }) => uid));
    for (const job of owned) {
      const name = job.metadata.name ?? '';
      const known = active.has(job.metadata.uid);
      if (known && isJobFinished(job)) {
        const condition = jobCondition(job, 'Complete') ? 'Complete' : 'Failed';
        this.#tell(
          context,
          cronJob,
          'Normal',
          'SawCompletedJob',
          `Saw completed job: ${name}, condition: ${condition}`,
        );
      } else if (!known && !isJobFinished(job)) {
        const text = `Saw a job that the controller did not create or forgot: ${name}`;
        this.#tell(context, cronJob, 'Warning', 'UnexpectedJob', text);
      }
    }
    return withFinishedJobs(cronJob.status ?? {}, owned);
  }

  /** Active jobs that the cache does not show may be younger than the cache: the server knows. */
  async #withoutMissing(
    context: Context,
    cronJob: CronJob,
    owned: readonly Job[],
    status: CronJobStatus,
  ): Promise<CronJobStatus> {
    const known = new Set(owned.map(({ metadata }) => metadata.uid));
    const active: ObjectReference[] = [];
    for (const reference of status.active ?? []) {
      if (known.has(reference.uid) || (await this.#exists(context, cronJob, reference))) active.push(reference);
      else this.#tell(context, cronJob, 'Normal', 'MissingJob', `Active job went missing: ${reference.name}`);
    }
    const { active: _before, ...rest } = status;
    return active.length > 0 ? { ...rest, active } : rest;
  }

  async #exists(context: Context, cronJob: CronJob, { name = '', uid }: ObjectReference): Promise<boolean> {
    try {
      const job = await this.#jobClient.get(context, cronJob.metadata.namespace ?? '', name);
      return job.metadata.uid === uid;
    } catch (error) {
      if (isStatus(error, 'NotFound')) return false;
      throw error;
    }
  }

  #parse(context: Context, cronJob: CronJob): Schedule | undefined {
    const { schedule, timeZone } = cronJob.spec;
    try {
      return parseSchedule(schedule, timeZone);
    } catch (error) {
      if (!(error instanceof ScheduleError)) throw error;
      const [reason, text] =
        error.field === 'timeZone'
          ? ['UnknownTimeZone', `invalid timeZone: ${JSON.stringify(timeZone)}: ${error.message}`]
          : ['UnparseableSchedule', `unparseable schedule: ${JSON.stringify(schedule)} : ${error.message}`];
      this.#tell(context, cronJob, 'Warning', reason ?? '', text ?? '');
      // Nothing to try again: a new schedule comes as a change.
      return undefined;
    }
  }

  #wakeAtNext(key: string, schedule: Schedule): void {
    const nowMs = this.#options.clock.now();
    const nextMs = schedule.next(nowMs);
    if (nextMs !== undefined) this.#reconciler.enqueueAfter(key, nextMs - nowMs + lateMs);
  }

  /** Starts the job whose time has come, if there is one and the policies allow it. */
  async #startDue(
    context: Context,
    cronJob: CronJob,
    schedule: Schedule,
    status: CronJobStatus,
  ): Promise<CronJobStatus> {
    const dueMs = this.#dueTime(context, cronJob, schedule);
    if (dueMs === undefined) return status;
    const draft = newCronJobJob(cronJob, dueMs);
    if (status.active?.some(({ name }) => name === draft.metadata.name)) return status;
    const policy = cronJob.spec.concurrencyPolicy ?? 'Allow';
    const active = status.active ?? [];
    if (policy === 'Forbid' && active.length > 0) {
      const text = 'Not starting job because prior execution is running and concurrency policy is Forbid';
      this.#tell(context, cronJob, 'Normal', 'JobAlreadyActive', text);
      return status;
    }
    if (policy === 'Replace') {
      for (const { name = '' } of active) await this.#deleteJob(context, cronJob, name);
    }
    const kept = policy === 'Replace' ? [] : active;
    const job = await this.#create(context, cronJob, draft);
    const created = job ? [...kept, jobReference(job)] : kept;
    const { active: _before, ...rest } = status;
    return { ...rest, ...(created.length > 0 ? { active: created } : {}), lastScheduleTime: formatTime(dueMs) };
  }

  #dueTime(context: Context, cronJob: CronJob, schedule: Schedule): number | undefined {
    const nowMs = this.#options.clock.now();
    const { startingDeadlineSeconds } = cronJob.spec;
    const last = cronJob.status?.lastScheduleTime ?? cronJob.metadata.creationTimestamp;
    const deadlineMs = startingDeadlineSeconds === undefined ? undefined : startingDeadlineSeconds * 1000;
    const sinceMs = last === undefined ? nowMs : Date.parse(last);
    const { latestMs, tooMany } = mostRecentTime(
      schedule,
      Math.max(sinceMs, deadlineMs === undefined ? 0 : nowMs - deadlineMs),
      nowMs,
    );
    if (tooMany) {
      const advice = 'Set or decrease .spec.startingDeadlineSeconds or check clock skew';
      this.#tell(context, cronJob, 'Warning', 'TooManyMissedTimes', `too many missed start times. ${advice}`);
    }
    return latestMs;
  }

  /** Undefined when the job is there already from an earlier sync, or may not be made any more. */
  async #create(context: Context, cronJob: CronJob, draft: Draft<Job>): Promise<Job | undefined> {
    const { namespace = '', name = '' } = draft.metadata;
    try {
      const job = await this.#jobClient.create(context, draft);
      this.#tell(context, cronJob, 'Normal', 'SuccessfulCreate', `Created job ${name}`);
      return job;
    } catch (error) {
      if (isStatus(error, 'AlreadyExists')) {
        const taken = await this.#jobClient.get(context, namespace, name);
        if (isControlledBy(taken, cronJob)) return isJobFinished(taken) ? undefined : taken;
      }
      if (isNamespaceTerminating(error)) return undefined;
      this.#tell(context, cronJob, 'Warning', 'FailedCreate', `Error creating job: ${messageOf(error)}`);
      throw error;
    }
  }

  async #cleanUp(context: Context, cronJob: CronJob, owned: readonly Job[]): Promise<void> {
    for (const { metadata } of expiredJobs(cronJob, owned)) {
      await this.#deleteJob(context, cronJob, metadata.name ?? '');
    }
  }

  async #deleteJob(context: Context, cronJob: CronJob, name: string): Promise<void> {
    try {
      const namespace = cronJob.metadata.namespace ?? '';
      await this.#jobClient.delete(context, namespace, name, { propagationPolicy: 'Background' });
      this.#tell(context, cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${name}`);
    } catch (error) {
      if (isStatus(error, 'NotFound')) return;
      this.#tell(context, cronJob, 'Warning', 'FailedDelete', `Deleted job: ${messageOf(error)}`);
      throw error;
    }
  }

  /** A stale cronJob must fail here and be looked at again: it may have forgotten a job. */
  async #write(context: Context, cronJob: CronJob, status: CronJobStatus): Promise<void> {
    if (semanticEqual(status, cronJob.status)) return;
    const written = await this.#client.updateStatus(context, { ...cronJob, status });
    this.#written.set(objectKey(cronJob), Number(written.metadata.resourceVersion));
  }

  #tell(context: Context, cronJob: CronJob, type: 'Normal' | 'Warning', reason: string, message: string): void {
    if (!context.ended) this.#options.recorder.event(cronJob, type, reason, message, causeOf(context));
  }
}
