import type {
  ControllerRevision,
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  PodDisruptionBudget,
  PodTemplate,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '#api/gen/types';
import { formatLabels, formatLabelSelector } from '../machinery/labels.ts';
import { controllerOf, isConditionTrue } from '../machinery/meta.ts';
import { parseGroupVersion } from '../machinery/object.ts';
import type { Column } from './columns.ts';
import { ageColumn, integer, nameColumn, templateColumns, text, truth, truthText, wide } from './common.ts';
import { humanDuration, since } from './duration.ts';

const wideTemplate = <T extends Deployment | ReplicaSet | DaemonSet | StatefulSet | Job | ReplicationController>() =>
  templateColumns<T>().map(wide);

export const deploymentColumns: readonly Column<Deployment>[] = [
  nameColumn,
  text(
    'Ready',
    'Replicas that are ready, of those asked for.',
    ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
  ),
  text('Up-to-date', 'Replicas of the newest template.', ({ status }) => status?.updatedReplicas ?? 0),
  text('Available', 'Replicas ready for at least minReadySeconds.', ({ status }) => status?.availableReplicas ?? 0),
  ageColumn,
  ...wideTemplate<Deployment>(),
  wide(text('Selector', 'Labels that select its pods.', ({ spec }) => formatLabelSelector(spec.selector))),
];

export const replicaSetColumns: readonly Column<ReplicaSet>[] = [
  nameColumn,
  integer('Desired', 'Replicas asked for.', ({ spec }) => spec.replicas ?? 0),
  integer('Current', 'Replicas that exist.', ({ status }) => status?.replicas ?? 0),
  integer('Ready', 'Replicas that are ready.', ({ status }) => status?.readyReplicas ?? 0),
  ageColumn,
  ...wideTemplate<ReplicaSet>(),
  wide(text('Selector', 'Labels that select its pods.', ({ spec }) => formatLabelSelector(spec.selector))),
];

export const replicationControllerColumns: readonly Column<ReplicationController>[] = [
  nameColumn,
  integer('Desired', 'Replicas asked for.', ({ spec }) => spec?.replicas ?? 0),
  integer('Current', 'Replicas that exist.', ({ status }) => status?.replicas ?? 0),
  integer('Ready', 'Replicas that are ready.', ({ status }) => status?.readyReplicas ?? 0),
  ageColumn,
  ...wideTemplate<ReplicationController>(),
  wide(text('Selector', 'Labels that select its pods.', ({ spec }) => formatLabels(spec?.selector))),
];

export const statefulSetColumns: readonly Column<StatefulSet>[] = [
  nameColumn,
  text(
    'Ready',
    'Replicas that are ready, of those asked for.',
    ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
  ),
  ageColumn,
  ...wideTemplate<StatefulSet>(),
];

export const daemonSetColumns: readonly Column<DaemonSet>[] = [
  nameColumn,
  integer('Desired', 'Nodes that should run its pod.', ({ status }) => status?.desiredNumberScheduled ?? 0),
  integer('Current', 'Nodes that run its pod.', ({ status }) => status?.currentNumberScheduled ?? 0),
  integer('Ready', 'Nodes whose pod is ready.', ({ status }) => status?.numberReady ?? 0),
  integer(
    'Up-to-date',
    'Nodes whose pod is of the newest template.',
    ({ status }) => status?.updatedNumberScheduled ?? 0,
  ),
  integer('Available', 'Nodes whose pod is available.', ({ status }) => status?.numberAvailable ?? 0),
  text('Node Selector', 'Node labels its pods ask for.', ({ spec }) => formatLabels(spec.template.spec?.nodeSelector)),
  ageColumn,
  ...wideTemplate<DaemonSet>(),
  wide(text('Selector', 'Labels that select its pods.', ({ spec }) => formatLabelSelector(spec.selector))),
];

function jobStatus(job: Job): string {
  const is = (type: string) => isConditionTrue(job.status?.conditions, type);
  if (is('Complete')) return 'Complete';
  if (is('Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(is) ?? 'Running';
}

function jobCompletions({ spec, status }: Job): string {
  const done = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${done}/${spec.completions}`;
  const parallelism = spec.parallelism ?? 0;
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`;
}

export const jobColumns: readonly Column<Job>[] = [
  nameColumn,
  text('Status', 'How the job is doing.', jobStatus),
  text('Completions', 'Pods that succeeded, of those needed.', jobCompletions),
  text('Duration', 'Time from start to completion, or to now.', ({ status }, { nowMs }) => {
    if (!status?.startTime) return '';
    const endMs = status.completionTime ? Date.parse(status.completionTime) : nowMs;
    return humanDuration(endMs - Date.parse(status.startTime));
  }),
  ageColumn,
  ...wideTemplate<Job>(),
  wide(text('Selector', 'Labels that select its pods.', ({ spec }) => formatLabelSelector(spec.selector))),
];

const [cronContainers, cronImages] = templateColumns<Job>();
const asJob = (cronJob: CronJob): Job => ({
  ...cronJob,
  status: {},
  spec: cronJob.spec.jobTemplate.spec ?? { template: {} },
});

export const cronJobColumns: readonly Column<CronJob>[] = [
  nameColumn,
  text('Schedule', 'When it runs, in Cron format.', ({ spec }) => spec.schedule),
  text('Timezone', 'Time zone of the schedule.', ({ spec }) => spec.timeZone ?? '<none>'),
  truth('Suspend', 'Whether it is paused.', ({ spec }) => truthText(spec.suspend)),
  integer('Active', 'Jobs of it that run now.', ({ status }) => status?.active?.length ?? 0),
  text('Last Schedule', 'Time since it last started a job.', ({ status }, { nowMs }) =>
    status?.lastScheduleTime ? since(status.lastScheduleTime, nowMs) : '<none>',
  ),
  ageColumn,
  wide(
    text('Containers', cronContainers.description, (cronJob, context) => cronContainers.cell(asJob(cronJob), context)),
  ),
  wide(text('Images', cronImages.description, (cronJob, context) => cronImages.cell(asJob(cronJob), context))),
  wide(
    text('Selector', 'Labels that select its pods.', ({ spec }) =>
      formatLabelSelector(spec.jobTemplate.spec?.selector),
    ),
  ),
];

export const controllerRevisionColumns: readonly Column<ControllerRevision>[] = [
  nameColumn,
  text('Controller', 'The workload whose template this is.', (revision) => {
    const owner = controllerOf(revision);
    if (!owner) return '<none>';
    const { group } = parseGroupVersion(owner.apiVersion);
    return `${owner.kind.toLowerCase()}${group ? `.${group}` : ''}/${owner.name}`;
  }),
  text('Revision', 'Number of the revision.', ({ revision }) => revision),
  ageColumn,
];

export const podTemplateColumns: readonly Column<PodTemplate>[] = [
  nameColumn,
  text('Containers', 'Names of the containers.', ({ template }) =>
    (template?.spec?.containers ?? []).map((one) => one.name).join(','),
  ),
  text('Images', 'Images of the containers.', ({ template }) =>
    (template?.spec?.containers ?? []).map((one) => one.image ?? '').join(','),
  ),
  text('Pod Labels', 'Labels its pods get.', ({ template }) => formatLabels(template?.metadata?.labels)),
];

export const podDisruptionBudgetColumns: readonly Column<PodDisruptionBudget>[] = [
  nameColumn,
  text('Min Available', 'Pods that must stay available.', ({ spec }) => String(spec?.minAvailable ?? 'N/A')),
  text('Max Unavailable', 'Pods that may be unavailable.', ({ spec }) => String(spec?.maxUnavailable ?? 'N/A')),
  integer('Allowed Disruptions', 'Pods that may be evicted now.', ({ status }) => status?.disruptionsAllowed ?? 0),
  ageColumn,
];
