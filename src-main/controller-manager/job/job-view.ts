import type { Job, JobCondition, Pod } from '#api/gen/types';
import { isPodActive, isPodReady, isPodTerminating } from '../pod-status.ts';
import { parseIndexes } from './completion-indexes.ts';
import { indexOf, isIndexed, isTracked } from './job-pod.ts';
import { matchFailurePolicy } from './pod-failure-policy.ts';

/** How a job ends, and why. */
export interface Verdict {
  readonly type: 'Complete' | 'Failed';
  readonly reason: string;
  readonly message: string;
}

/** What the pods of a job, together with what its status has counted before, amount to. */
export interface JobView {
  readonly job: Job;
  readonly active: readonly Pod[];
  readonly ready: number;
  /** Asked to go, not gone yet. */
  readonly terminating: number;
  /** Ended, tracked, and not yet in the status. */
  readonly newSucceeded: readonly Pod[];
  readonly newFailed: readonly Pod[];
  /** Failed in a way the failure policy does not count. */
  readonly newIgnored: readonly Pod[];
  /** All pods (Indexed: indexes) that succeeded, counted or not. */
  readonly succeeded: number;
  /** All pods that failed, counted or not, without the ignored ones. */
  readonly failed: number;
  /** Indexed jobs only. */
  readonly completedIndexes: ReadonlySet<number>;
  /** Why the failure policy fails the job. */
  readonly policyFailure: string | undefined;
}

export function jobCondition(job: Job, type: string): JobCondition | undefined {
  return job.status?.conditions?.find((condition) => condition.type === type && condition.status === 'True');
}

export function isJobFinished(job: Job): boolean {
  return (jobCondition(job, 'Complete') ?? jobCondition(job, 'Failed')) !== undefined;
}

/** With a failure policy a pod counts only once it is known how it ended. */
export function replacesOnlyFailed({ spec }: Job): boolean {
  return spec.podReplacementPolicy === 'Failed' || spec.podFailurePolicy !== undefined;
}

function hasFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true;
  return !replacesOnlyFailed(job) && isPodTerminating(pod) && pod.status?.phase !== 'Succeeded';
}

/** `released` names pods (by uid) that are counted and whose finalizer is gone, whatever the cache still shows. */
export function jobView(job: Job, pods: readonly Pod[], released: ReadonlySet<string>): JobView {
  const known = new Set([
    ...released,
    ...(job.status?.uncountedTerminatedPods?.succeeded ?? []),
    ...(job.status?.uncountedTerminatedPods?.failed ?? []),
  ]);
  const fresh = pods.filter((pod) => isTracked(pod) && !known.has(pod.metadata.uid ?? ''));
  const newSucceeded = fresh.filter((pod) => pod.status?.phase === 'Succeeded');
  const ended = fresh.filter((pod) => hasFailed(job, pod)).map((pod) => ({ pod, ...matchFailurePolicy(job, pod) }));
  const newFailed = ended.filter(({ action }) => action !== 'Ignore').map(({ pod }) => pod);
  const active = pods.filter(isPodActive);
  const completedIndexes = new Set(parseIndexes(job.status?.completedIndexes, job.spec.completions ?? 0));
  for (const pod of newSucceeded) {
    const index = indexOf(job, pod);
    if (isIndexed(job) && index !== undefined) completedIndexes.add(index);
  }
  const { succeeded = 0, failed = 0, uncountedTerminatedPods } = job.status ?? {};
  const uncounted = uncountedTerminatedPods?.succeeded?.length ?? 0;
  return {
    job,
    active,
    ready: active.filter(isPodReady).length,
    terminating: pods.filter((pod) => isPodTerminating(pod) && !isEnded(pod)).length,
    newSucceeded,
    newFailed,
    newIgnored: ended.filter(({ action }) => action === 'Ignore').map(({ pod }) => pod),
    succeeded: isIndexed(job) ? completedIndexes.size : succeeded + uncounted + newSucceeded.length,
    failed: failed + (uncountedTerminatedPods?.failed?.length ?? 0) + newFailed.length,
    completedIndexes,
    policyFailure: ended.find(({ action }) => action === 'FailJob')?.message,
  };
}

function isEnded(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/**
 * Whether the job has ended, and how (`syncJob` of the job controller, release 1.36). What was decided once stands, in
 * the FailureTarget or SuccessCriteriaMet condition, until the last pod is gone and counted.
 */
export function verdictOf(view: JobView, nowMs: number): Verdict | undefined {
  const { job } = view;
  const decided = jobCondition(job, 'FailureTarget') ?? jobCondition(job, 'SuccessCriteriaMet');
  if (decided) {
    const type = decided.type === 'FailureTarget' ? 'Failed' : 'Complete';
    return { type, reason: decided.reason ?? '', message: decided.message ?? '' };
  }
  return failureOf(view, nowMs) ?? successOf(view);
}

function failureOf(view: JobView, nowMs: number): Verdict | undefined {
  const { job, policyFailure, failed } = view;
  if (policyFailure !== undefined) return { type: 'Failed', reason: 'PodFailurePolicy', message: policyFailure };
  if (failed > (job.spec.backoffLimit ?? 6) || exceedsRestarts(view)) {
    const message = 'Job has reached the specified backoff limit';
    return { type: 'Failed', reason: 'BackoffLimitExceeded', message };
  }
  const leftMs = activeDeadlineLeftMs(job, nowMs);
  if (leftMs !== undefined && leftMs <= 0) {
    return { type: 'Failed', reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' };
  }
  return undefined;
}

/** With `restartPolicy: OnFailure` containers are restarted in their pod: the restarts are the failures. */
function exceedsRestarts({ job, active }: JobView): boolean {
  if (job.spec.template.spec?.restartPolicy !== 'OnFailure') return false;
  let restarts = 0;
  for (const { status } of active) {
    for (const { restartCount } of [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]) {
      restarts += restartCount;
    }
  }
  const limit = job.spec.backoffLimit ?? 6;
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

/** Undefined without a deadline and while suspended. */
export function activeDeadlineLeftMs({ spec, status }: Job, nowMs: number): number | undefined {
  if (spec.activeDeadlineSeconds === undefined || spec.suspend || !status?.startTime) return undefined;
  return Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000 - nowMs;
}

function successOf({ job, succeeded, active, completedIndexes }: JobView): Verdict | undefined {
  for (const [index, rule] of (isIndexed(job) ? (job.spec.successPolicy?.rules ?? []) : []).entries()) {
    const wanted =
      rule.succeededIndexes === undefined ? undefined : parseIndexes(rule.succeededIndexes, job.spec.completions ?? 0);
    const hits = wanted ? [...wanted].filter((each) => completedIndexes.has(each)).length : completedIndexes.size;
    const needed = rule.succeededCount ?? wanted?.size ?? Infinity;
    if (hits >= needed)
      return { type: 'Complete', reason: 'SuccessPolicy', message: `Matched rules at index ${index}` };
  }
  const { completions } = job.spec;
  const enough = completions === undefined ? succeeded > 0 : succeeded >= completions;
  if (!enough || active.length > 0) return undefined;
  return { type: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' };
}

/** How many pods should be active now. */
export function wantedActive({ job, active, succeeded }: JobView): number {
  const parallelism = job.spec.parallelism ?? 1;
  const { completions } = job.spec;
  // Without a number of completions the first success means that nobody new is needed.
  if (completions === undefined) return succeeded > 0 ? Math.min(active.length, parallelism) : parallelism;
  return Math.max(0, Math.min(completions - succeeded, parallelism));
}

/** The lowest `count` indexes that have neither succeeded nor a pod at work. */
export function pendingIndexes(
  { job, active, completedIndexes }: JobView,
  pods: readonly Pod[],
  count: number,
): readonly number[] {
  const busy = new Set(active.map((pod) => indexOf(job, pod)));
  if (replacesOnlyFailed(job)) {
    for (const pod of pods) if (isPodTerminating(pod) && !isEnded(pod)) busy.add(indexOf(job, pod));
  }
  const pending: number[] = [];
  for (let index = 0; index < (job.spec.completions ?? 0) && pending.length < count; index++) {
    if (!completedIndexes.has(index) && !busy.has(index)) pending.push(index);
  }
  return pending;
}
