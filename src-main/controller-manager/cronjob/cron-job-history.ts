import type { CronJob, CronJobStatus, Job, ObjectMeta, ObjectReference } from '#api/gen/types';
import { formatTime } from '#base/clock';
import type { Draft } from '#client/client';
import { controllerReference } from '#client/owner-references';
import { isJobFinished, jobCondition } from '../job/job-view.ts';

const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

/** The job for one scheduled time. Its name says which: a second attempt meets the first (`getJobFromTemplate2`, 1.36). */
export function newCronJobJob(cronJob: CronJob, dueMs: number): Draft<Job> {
  const { name = '', namespace = '' } = cronJob.metadata;
  const { metadata: template, spec } = cronJob.spec.jobTemplate;
  const metadata: ObjectMeta = {
    name: `${name}-${Math.floor(dueMs / 60_000)}`,
    namespace,
    ...(template?.labels ? { labels: template.labels } : {}),
    annotations: { ...template?.annotations, [scheduledAnnotation]: zonedTime(dueMs, cronJob.spec.timeZone) },
    ownerReferences: [controllerReference(cronJob)],
  };
  return { apiVersion: 'batch/v1', kind: 'Job', metadata, spec: spec ?? { template: {} } };
}

/** RFC 3339 in the schedule's own time zone, as upstream writes the annotation. */
function zonedTime(epochMs: number, timeZone = 'UTC'): string {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  const local = format.format(epochMs).replace(' ', 'T');
  const offsetMinutes = Math.round((Date.parse(`${local}Z`) - Math.floor(epochMs / 1000) * 1000) / 60_000);
  if (offsetMinutes === 0) return formatTime(epochMs);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const size = Math.abs(offsetMinutes);
  return `${local}${offsetMinutes < 0 ? '-' : '+'}${two(size / 60)}:${two(size % 60)}`;
}

export function jobReference({ metadata }: Job): ObjectReference {
  const { name, namespace, uid, resourceVersion } = metadata;
  return {
    kind: 'Job',
    apiVersion: 'batch/v1',
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

/** Takes ended jobs off the active list and notes the last success. */
export function withFinishedJobs(status: CronJobStatus, owned: readonly Job[]): CronJobStatus {
  const finished = new Set(owned.filter(isJobFinished).map(({ metadata }) => metadata.uid));
  const active = (status.active ?? []).filter(({ uid }) => !finished.has(uid));
  let last = status.lastSuccessfulTime;
  for (const job of owned) {
    const time = jobCondition(job, 'Complete') ? job.status?.completionTime : undefined;
    if (time !== undefined && (last === undefined || Date.parse(time) > Date.parse(last))) last = time;
  }
  const { active: _before, ...rest } = status;
  return {
    ...rest,
    ...(active.length > 0 ? { active } : {}),
    ...(last === undefined ? {} : { lastSuccessfulTime: last }),
  };
}

/** Ended jobs beyond the two history limits, oldest first (`cleanupFinishedJobs`, release 1.36). */
export function expiredJobs({ spec }: CronJob, owned: readonly Job[]): readonly Job[] {
  const staying = owned.filter(({ metadata }) => !metadata.deletionTimestamp);
  const succeeded = staying.filter((job) => jobCondition(job, 'Complete'));
  const failed = staying.filter((job) => jobCondition(job, 'Failed'));
  return [
    ...oldest(succeeded, spec.successfulJobsHistoryLimit ?? 3),
    ...oldest(failed, spec.failedJobsHistoryLimit ?? 1),
  ];
}

function oldest(list: readonly Job[], limit: number): readonly Job[] {
  const started = ({ status, metadata }: Job): string => `${status?.startTime ?? ''} ${metadata.name ?? ''}`;
  return [...list].sort((a, b) => (started(a) < started(b) ? -1 : 1)).slice(0, Math.max(0, list.length - limit));
}
