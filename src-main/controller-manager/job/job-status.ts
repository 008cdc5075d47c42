import type { Job, JobCondition, JobStatus, Pod } from '#api/gen/types';
import { formatTime } from '#base/clock';
import { formatIndexes } from './completion-indexes.ts';
import { isIndexed } from './job-pod.ts';
import type { JobView, Verdict } from './job-view.ts';

/** What a sync changed or decided beyond what the pods show. */
export interface JobOutcome {
  readonly verdict: Verdict | undefined;
  /** Active pods after this sync's creates and deletes. */
  readonly active: number;
  readonly ready: number;
  readonly terminating: number;
  readonly nowMs: number;
}

function condition(nowMs: number, type: string, status: string, reason: string, message: string): JobCondition {
  const now = formatTime(nowMs);
  return { type, status, lastProbeTime: now, lastTransitionTime: now, reason, message };
}

function hasCondition({ conditions }: JobStatus, type: string, status: string): boolean {
  return !!conditions?.some((each) => each.type === type && each.status === status);
}

function setCondition(status: JobStatus, next: JobCondition): JobStatus {
  if (hasCondition(status, next.type, next.status)) return status;
  const others = (status.conditions ?? []).filter(({ type }) => type !== next.type);
  return { ...status, conditions: [...others, next] };
}

/** The change of the Suspended condition that `spec.suspend` asks for. */
export function suspension({ spec, status }: Job): 'suspended' | 'resumed' | undefined {
  const suspended = hasCondition(status ?? {}, 'Suspended', 'True');
  if (spec.suspend && !suspended) return 'suspended';
  return !spec.suspend && suspended ? 'resumed' : undefined;
}

/**
 * First half of a sync's writing: pods that ended are named in `uncountedTerminatedPods` (or, with indexes, in
 * `completedIndexes`) before their finalizers go, so that a crash between the two counts nobody twice or not at all.
 */
export function statusBeforeRelease({ job, ...view }: JobView, outcome: JobOutcome): JobStatus {
  const { verdict, nowMs } = outcome;
  const before = job.status ?? {};
  const succeeded = [
    ...(before.uncountedTerminatedPods?.succeeded ?? []),
    ...(isIndexed(job) ? [] : uids(view.newSucceeded)),
  ];
  const failed = [...(before.uncountedTerminatedPods?.failed ?? []), ...uids(view.newFailed)];
  const changed = suspension(job);
  const starts = !job.spec.suspend && (before.startTime === undefined || changed === 'resumed');
  let status: JobStatus = {
    ...counted(before, outcome),
    ...(starts ? { startTime: formatTime(nowMs) } : {}),
    ...(isIndexed(job) && view.completedIndexes.size > 0
      ? { completedIndexes: formatIndexes(view.completedIndexes), succeeded: view.completedIndexes.size }
      : {}),
    uncountedTerminatedPods: {
      ...(succeeded.length > 0 ? { succeeded } : {}),
      ...(failed.length > 0 ? { failed } : {}),
    },
  };
  if (changed === 'suspended' && !verdict) {
    status = setCondition(status, condition(nowMs, 'Suspended', 'True', 'JobSuspended', 'Job suspended'));
  }
  if (changed === 'resumed') {
    status = setCondition(status, condition(nowMs, 'Suspended', 'False', 'JobResumed', 'Job resumed'));
  }
  if (!verdict) return status;
  const interim = verdict.type === 'Failed' ? 'FailureTarget' : 'SuccessCriteriaMet';
  return setCondition(status, condition(nowMs, interim, 'True', verdict.reason, verdict.message));
}

/**
 * Second half: pods whose finalizers are gone move into the counters. The terminal condition follows when nobody is left
 * to be counted.
 */
export function statusAfterRelease(status: JobStatus, released: ReadonlySet<string>, outcome: JobOutcome): JobStatus {
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {};
  const keep = (list: readonly string[]): readonly string[] => list.filter((uid) => !released.has(uid));
  const [openSucceeded, openFailed] = [keep(succeeded), keep(failed)];
  const succeededCount = (status.succeeded ?? 0) + succeeded.length - openSucceeded.length;
  const failedCount = (status.failed ?? 0) + failed.length - openFailed.length;
  const next: JobStatus = {
    ...status,
    ...(succeededCount > 0 ? { succeeded: succeededCount } : {}),
    ...(failedCount > 0 ? { failed: failedCount } : {}),
    uncountedTerminatedPods: {
      ...(openSucceeded.length > 0 ? { succeeded: openSucceeded } : {}),
      ...(openFailed.length > 0 ? { failed: openFailed } : {}),
    },
  };
  const { verdict, nowMs } = outcome;
  const open = openSucceeded.length + openFailed.length + outcome.active + outcome.terminating;
  if (!verdict || open > 0) return next;
  const finished = setCondition(next, condition(nowMs, verdict.type, 'True', verdict.reason, verdict.message));
  return verdict.type === 'Complete' ? { ...finished, completionTime: formatTime(nowMs) } : finished;
}

function counted(before: JobStatus, { active, ready, terminating }: JobOutcome): JobStatus {
  const { active: _before, ...rest } = before;
  return { ...rest, ...(active > 0 ? { active } : {}), ready, terminating };
}

function uids(pods: readonly Pod[]): readonly string[] {
  return pods.map(({ metadata }) => metadata.uid ?? '');
}
