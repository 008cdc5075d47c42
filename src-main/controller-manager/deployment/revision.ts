import type { Deployment, PodTemplateSpec, ReplicaSet } from '#api/gen/types';
import { byCreation } from '../pod-status.ts';
import { semanticEqual } from '../template-hash.ts';

export const revisionAnnotation = 'deployment.kubernetes.io/revision';
const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history';
export const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxReplicasAnnotation = 'deployment.kubernetes.io/max-replicas';
export const podTemplateHashLabel = 'pod-template-hash';

/** The longest `revision-history` annotation, in characters. */
const maxHistoryLength = 2000;

/** Annotations that a replica set has in its own right: never copied from the deployment. */
const ownAnnotations = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  'deprecated.deployment.rollback.to',
]);

type Annotations = Readonly<Record<string, string>>;

/** The revision a replica set was last current as; 0 when it never was. */
function revisionOf(object: { readonly metadata: { readonly annotations?: Annotations } }): number {
  const text = object.metadata.annotations?.[revisionAnnotation];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : 0;
}

export function maxRevision(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((most, replicaSet) => Math.max(most, revisionOf(replicaSet)), 0);
}

/** The oldest replica set with the deployment's template, the hash label aside (`FindNewReplicaSet`, release 1.36). */
export function findNewReplicaSet(deployment: Deployment, replicaSets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return [...replicaSets]
    .sort(byCreation)
    .find(({ spec }) => equalIgnoringHash(spec.template, deployment.spec.template));
}

function equalIgnoringHash(a: PodTemplateSpec | undefined, b: PodTemplateSpec): boolean {
  return semanticEqual(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  if (template?.metadata?.labels?.[podTemplateHashLabel] === undefined) return template;
  const { [podTemplateHashLabel]: _hash, ...labels } = template.metadata.labels;
  return { ...template, metadata: { ...template.metadata, labels } };
}

/**
 * Annotations of the replica set that stands for `revision` (`SetNewReplicaSetAnnotations`, release 1.36): the
 * deployment's own (so `kubernetes.io/change-cause` stays with the revision it explains), the revision, and the revisions
 * the same template had before a rollback. The same object when nothing changes.
 */
export function newReplicaSetAnnotations(
  deployment: Deployment,
  before: Annotations | undefined,
  revision: number,
): Annotations | undefined {
  const after: Record<string, string> = { ...before };
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) {
    if (!ownAnnotations.has(key)) after[key] = value;
  }
  const old = before?.[revisionAnnotation];
  if (old === undefined) after[revisionAnnotation] = String(revision);
  else if (Number(old) < revision) {
    after[revisionAnnotation] = String(revision);
    after[revisionHistoryAnnotation] = appendHistory(before?.[revisionHistoryAnnotation], old);
  }
  return semanticEqual(before, after) ? before : after;
}

function appendHistory(history: string | undefined, revision: string): string {
  const revisions = [...(history ? history.split(',') : []), revision];
  while (revisions.length > 1 && revisions.join(',').length > maxHistoryLength) revisions.shift();
  return revisions.join(',');
}

/** What `kubectl describe` and a later proportional scaling read of the size a replica set was made for. */
export function replicasAnnotations(before: Annotations | undefined, desired: number, max: number): Annotations {
  if (before?.[desiredReplicasAnnotation] === String(desired) && before[maxReplicasAnnotation] === String(max)) {
    return before;
  }
  return { ...before, [desiredReplicasAnnotation]: String(desired), [maxReplicasAnnotation]: String(max) };
}

/**
 * Replica sets that the history limit pushes out, oldest revision first (`cleanupDeployment`, release 1.36). One that
 * still has pods, or whose status is behind its spec, stays whatever the limit says.
 */
export function expiredReplicaSets(oldReplicaSets: readonly ReplicaSet[], limit: number): readonly ReplicaSet[] {
  const alive = oldReplicaSets.filter(({ metadata }) => !metadata.deletionTimestamp);
  return alive
    .sort((a, b) => revisionOf(a) - revisionOf(b) || byCreation(a, b))
    .slice(0, Math.max(0, alive.length - limit))
    .filter(
      ({ metadata, spec, status }) =>
        (status?.replicas ?? 0) === 0 &&
        (spec.replicas ?? 1) === 0 &&
        (metadata.generation ?? 0) <= (status?.observedGeneration ?? 0),
    );
}
