import type {
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  JobSpec,
  PodTemplate,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '#api/gen/types';
import { defaultTemplate, mapShared, replaceFields, withDefaults } from './pod.ts';

/** Defaults of workloads (`pkg/apis/apps/v1/defaults.go`, `pkg/apis/batch/v1/defaults.go`, release 1.36). */

type WithTemplate = Pick<Deployment['spec'], 'template'>;

/** The spec with defaulted template, or undefined when there is no spec to default. */
function templated<S extends Partial<WithTemplate>>(spec: S | undefined): S | undefined {
  if (typeof spec !== 'object' || spec === null) return undefined;
  const template = defaultTemplate(spec.template);
  return template === spec.template ? spec : { ...spec, template };
}

export function defaultDeployment(deployment: Deployment): Deployment {
  const spec = templated(deployment.spec);
  if (!spec) return deployment;
  const strategy = withDefaults(spec.strategy ?? {}, { type: 'RollingUpdate' });
  const rollingUpdate = withDefaults(strategy.rollingUpdate ?? {}, { maxUnavailable: '25%', maxSurge: '25%' });
  const filled = withDefaults(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
  const chosen = strategy.type === 'RollingUpdate' ? replaceFields(strategy, { rollingUpdate }) : strategy;
  return replaceFields(deployment, { spec: replaceFields(filled, { strategy: chosen }) });
}

export function defaultReplicaSet(set: ReplicaSet): ReplicaSet {
  const spec = templated(set.spec);
  return spec ? replaceFields(set, { spec: withDefaults(spec, { replicas: 1 }) }) : set;
}

/** A replication controller without a selector selects the labels of its template. */
export function defaultReplicationController(controller: ReplicationController): ReplicationController {
  const spec = templated(controller.spec);
  if (!spec) return controller;
  const labels = spec.template?.metadata?.labels;
  return replaceFields(controller, {
    spec: withDefaults(spec, { replicas: 1, ...(labels ? { selector: labels } : {}) }),
  });
}

export function defaultStatefulSet(set: StatefulSet): StatefulSet {
  const spec = templated(set.spec);
  if (!spec) return set;
  const strategy = withDefaults(spec.updateStrategy ?? {}, { type: 'RollingUpdate' });
  const rollingUpdate = withDefaults(strategy.rollingUpdate ?? {}, { partition: 0 });
  const claims = mapShared(spec.volumeClaimTemplates, (claim) =>
    withDefaults(claim, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', status: { phase: 'Pending' } }),
  );
  const filled = withDefaults(spec, {
    podManagementPolicy: 'OrderedReady',
    replicas: 1,
    revisionHistoryLimit: 10,
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
  });
  return replaceFields(set, {
    spec: replaceFields(filled, {
      updateStrategy: strategy.type === 'RollingUpdate' ? replaceFields(strategy, { rollingUpdate }) : strategy,
      ...(claims ? { volumeClaimTemplates: mapShared(claims, (claim) => withVolumeMode(claim)) } : {}),
    }),
  });
}

type Claim = NonNullable<StatefulSet['spec']['volumeClaimTemplates']>[number];

function withVolumeMode(claim: Claim): Claim {
  return claim.spec ? replaceFields(claim, { spec: withDefaults(claim.spec, { volumeMode: 'Filesystem' }) }) : claim;
}

export function defaultDaemonSet(set: DaemonSet): DaemonSet {
  const spec = templated(set.spec);
  if (!spec) return set;
  const strategy = withDefaults(spec.updateStrategy ?? {}, { type: 'RollingUpdate' });
  const rollingUpdate = withDefaults(strategy.rollingUpdate ?? {}, { maxUnavailable: 1, maxSurge: 0 });
  return replaceFields(set, {
    spec: replaceFields(withDefaults(spec, { revisionHistoryLimit: 10 }), {
      updateStrategy: strategy.type === 'RollingUpdate' ? replaceFields(strategy, { rollingUpdate }) : strategy,
    }),
  });
}

function defaultJobSpec(spec: JobSpec): JobSpec {
  const alone = spec.completions === undefined && spec.parallelism === undefined;
  const indexed = spec.completionMode === 'Indexed' && spec.backoffLimitPerIndex !== undefined;
  const filled = withDefaults(spec, {
    ...(alone ? { completions: 1, parallelism: 1 } : {}),
    parallelism: 1,
    backoffLimit: indexed ? 0x7fff_ffff : 6,
    completionMode: 'NonIndexed',
    suspend: false,
    podReplacementPolicy: spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed',
    manualSelector: false,
  });
  return templated(filled) ?? filled;
}

/** The selector and the labels of the pods need the uid: see `prepareJob` in `resources/core-hooks.ts`. */
export function defaultJob(job: Job): Job {
  if (typeof job.spec !== 'object' || job.spec === null) return job;
  return replaceFields(job, { spec: defaultJobSpec(job.spec) });
}

export function defaultCronJob(cronJob: CronJob): CronJob {
  if (typeof cronJob.spec !== 'object' || cronJob.spec === null) return cronJob;
  const filled = withDefaults(cronJob.spec, {
    concurrencyPolicy: 'Allow',
    suspend: false,
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 1,
  });
  // Job defaults are the Job's own: only its pod template is defaulted here.
  const inner = templated(filled.jobTemplate?.spec);
  const jobTemplate = inner ? replaceFields(filled.jobTemplate, { spec: inner }) : filled.jobTemplate;
  return replaceFields(cronJob, { spec: replaceFields(filled, jobTemplate ? { jobTemplate } : {}) });
}

export function defaultPodTemplate(template: PodTemplate): PodTemplate {
  const inner = defaultTemplate(template.template);
  return inner === template.template ? template : { ...template, ...(inner ? { template: inner } : {}) };
}
