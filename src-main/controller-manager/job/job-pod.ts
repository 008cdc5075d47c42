import type { EnvVar, Job, Pod } from '#api/gen/types';
import type { Draft } from '#client/client';
import { controllerReference } from '#client/owner-references';
import { podFromTemplate } from '../pod-control.ts';

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
const indexKey = 'batch.kubernetes.io/job-completion-index';

type Container = Pod['spec']['containers'][number];

export function isIndexed({ spec }: Job): boolean {
  return spec.completionMode === 'Indexed';
}

export function isTracked(pod: Pod): boolean {
  return pod.metadata.finalizers?.includes(trackingFinalizer) ?? false;
}

/** The completion index of a pod; undefined when it has none or a wrong one. */
export function indexOf(job: Job, { metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[indexKey];
  if (text === undefined || !/^\d+$/.test(text) || Number(text) >= (job.spec.completions ?? 0)) return undefined;
  return Number(text);
}

/**
 * A pod that cannot vanish uncounted: the finalizer stays until the job's status knows how it ended. Pods of an Indexed
 * job learn their index from annotation, label, host name and environment (job controller, release 1.36).
 */
export function newJobPod(job: Job, index: number | undefined): Draft<Pod> {
  const draft = podFromTemplate(job, job.spec.template, controllerReference(job));
  const finalizers = [...(draft.metadata.finalizers ?? []), trackingFinalizer];
  if (index === undefined) return { ...draft, metadata: { ...draft.metadata, finalizers } };
  const name = `${job.metadata.name ?? ''}-${index}`;
  const text = String(index);
  const { spec } = draft;
  return {
    ...draft,
    metadata: {
      ...draft.metadata,
      generateName: `${name}-`,
      finalizers,
      labels: { ...draft.metadata.labels, [indexKey]: text },
      annotations: { ...draft.metadata.annotations, [indexKey]: text },
    },
    spec: {
      ...spec,
      hostname: name,
      containers: spec.containers.map(withIndex),
      ...(spec.initContainers ? { initContainers: spec.initContainers.map(withIndex) } : {}),
    },
  };
}

function withIndex(container: Container): Container {
  const env: readonly EnvVar[] = container.env ?? [];
  if (env.some(({ name }) => name === 'JOB_COMPLETION_INDEX')) return container;
  const variable: EnvVar = {
    name: 'JOB_COMPLETION_INDEX',
    valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${indexKey}']` } },
  };
  return { ...container, env: [...env, variable] };
}

/** When the pod ended, in milliseconds since the epoch: its last container, its deletion, or now. */
export function finishedMs(pod: Pod, nowMs: number): number {
  let latest = 0;
  for (const { state } of pod.status?.containerStatuses ?? []) {
    if (state?.terminated?.finishedAt) latest = Math.max(latest, Date.parse(state.terminated.finishedAt));
  }
  if (latest > 0) return latest;
  return pod.metadata.deletionTimestamp ? Math.min(nowMs, Date.parse(pod.metadata.deletionTimestamp)) : nowMs;
}
