import type { Deployment, ReplicaSet } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { controllerReference, isControlledBy } from '#client/owner-references';
import { causeOf, isNamespaceTerminating } from '../pod-control.ts';
import { writeStatus } from '../status-writer.ts';
import { computeHash, semanticEqual } from '../template-hash.ts';
import { condition, hasProgressDeadline, newCondition, reasons, withCondition } from './deployment-status.ts';
import type { DeploymentParts } from './deployment-sync.ts';
import {
  findNewReplicaSet,
  newReplicaSetAnnotations,
  podTemplateHashLabel,
  replicasAnnotations,
  revisionAnnotation,
} from './revision.ts';
import { maxSurge, newReplicaSetSize, replicasOf } from './rolling-update.ts';

export interface NewReplicaSetRequest {
  readonly deployment: Deployment;
  /** The replica set that has the deployment's template already. */
  readonly existing: ReplicaSet | undefined;
  readonly all: readonly ReplicaSet[];
  /** One more than that of any old replica set. */
  readonly revision: number;
}

export interface NewReplicaSetResult {
  readonly deployment: Deployment;
  readonly current: ReplicaSet;
}

/**
 * Finds or makes the replica set of the deployment's template and writes the revision on both
 * (`getNewReplicaSet` of the deployment controller, release 1.36).
 */
export async function syncNewReplicaSet(
  context: Context,
  parts: DeploymentParts,
  request: NewReplicaSetRequest,
): Promise<NewReplicaSetResult> {
  const { deployment, existing } = request;
  if (existing) {
    const current = await refresh(context, parts, existing, request);
    const revision = current.metadata.annotations?.[revisionAnnotation] ?? '';
    const found = condition(deployment.status?.conditions, 'Progressing')
      ? undefined
      : `Found new replica set "${current.metadata.name}"`;
    const written = await note(context, parts, deployment, revision, reasons.foundNewReplicaSet, found);
    return { deployment: written, current };
  }
  return create(context, parts, request);
}

async function refresh(
  context: Context,
  parts: DeploymentParts,
  existing: ReplicaSet,
  { deployment, revision }: NewReplicaSetRequest,
): Promise<ReplicaSet> {
  const annotations = newReplicaSetAnnotations(deployment, existing.metadata.annotations, revision);
  const minReadySeconds = deployment.spec.minReadySeconds ?? 0;
  if (annotations === existing.metadata.annotations && (existing.spec.minReadySeconds ?? 0) === minReadySeconds) {
    return existing;
  }
  return parts.replicaSets.update(context, {
    ...existing,
    metadata: { ...existing.metadata, ...(annotations ? { annotations } : {}) },
    spec: { ...existing.spec, ...(minReadySeconds > 0 ? { minReadySeconds } : { minReadySeconds: 0 }) },
  });
}

async function create(
  context: Context,
  parts: DeploymentParts,
  request: NewReplicaSetRequest,
): Promise<NewReplicaSetResult> {
  const draft = newReplicaSet(request);
  let current: ReplicaSet;
  let created = true;
  try {
    current = await parts.replicaSets.create(context, draft);
  } catch (error) {
    if (!isStatus(error, 'AlreadyExists')) return reportFailure(context, parts, request.deployment, draft, error);
    current = await requireOurs(context, parts, request.deployment, draft, error);
    created = false;
  }
  const name = current.metadata.name ?? '';
  const size = replicasOf(current);
  if (created && size > 0) {
    const text = `Scaled up replica set ${name} from 0 to ${size}`;
    parts.recorder.event(request.deployment, 'Normal', 'ScalingReplicaSet', text, causeOf(context));
  }
  const revision = current.metadata.annotations?.[revisionAnnotation] ?? '';
  const message = created ? `Created new replica set "${name}"` : undefined;
  const deployment = await note(context, parts, request.deployment, revision, reasons.newReplicaSetCreated, message);
  return { deployment, current };
}

function newReplicaSet({ deployment, all, revision }: NewReplicaSetRequest): ReplicaSet {
  const { name = '', namespace = '' } = deployment.metadata;
  const { template, selector, minReadySeconds = 0 } = deployment.spec;
  const hash = computeHash(template, deployment.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [podTemplateHashLabel]: hash };
  const desired = replicasOf(deployment);
  const annotations = newReplicaSetAnnotations(deployment, undefined, revision);
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels,
      annotations: replicasAnnotations(annotations, desired, desired + maxSurge(deployment)),
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas: newReplicaSetSize(deployment, all, 0),
      ...(minReadySeconds > 0 ? { minReadySeconds } : {}),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [podTemplateHashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/**
 * The name is taken: by an earlier sync of ours that the cache does not show yet, or by another template with the same
 * hash. The latter shifts the hash through `collisionCount` and is tried again.
 */
async function requireOurs(
  context: Context,
  parts: DeploymentParts,
  deployment: Deployment,
  draft: ReplicaSet,
  error: unknown,
): Promise<ReplicaSet> {
  const { namespace = '', name = '' } = draft.metadata;
  const taken = await parts.replicaSets.get(context, namespace, name);
  if (isControlledBy(taken, deployment) && findNewReplicaSet(deployment, [taken])) return taken;
  const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
  await writeStatus(context, parts.deployments, deployment, { ...deployment.status, collisionCount });
  throw error;
}

async function reportFailure(
  context: Context,
  parts: DeploymentParts,
  deployment: Deployment,
  draft: ReplicaSet,
  error: unknown,
): Promise<never> {
  if (isNamespaceTerminating(error) || context.ended) throw error;
  const text = `Failed to create new replica set "${draft.metadata.name}": ${messageOf(error)}`;
  if (hasProgressDeadline(deployment)) {
    const failed = newCondition(parts.clock.now(), 'Progressing', 'False', reasons.createFailed, text);
    const conditions = withCondition(deployment.status?.conditions, failed);
    if (!semanticEqual(conditions, deployment.status?.conditions)) {
      await writeStatus(context, parts.deployments, deployment, { ...deployment.status, conditions });
    }
  }
  parts.recorder.event(deployment, 'Warning', reasons.createFailed, text, causeOf(context));
  throw error;
}

/** Writes the revision annotation, and a Progressing condition when there is a `message`, in one status update. */
async function note(
  context: Context,
  parts: DeploymentParts,
  deployment: Deployment,
  revision: string,
  reason: string,
  message: string | undefined,
): Promise<Deployment> {
  const before = deployment.status?.conditions;
  const conditions =
    message !== undefined && hasProgressDeadline(deployment)
      ? withCondition(before, newCondition(parts.clock.now(), 'Progressing', 'True', reason, message))
      : before;
  const known = deployment.metadata.annotations?.[revisionAnnotation] === revision;
  if (known && conditions === before) return deployment;
  const annotations = { ...deployment.metadata.annotations, [revisionAnnotation]: revision };
  const annotated = { ...deployment, metadata: { ...deployment.metadata, annotations } };
  return parts.deployments.updateStatus(context, {
    ...annotated,
    status: { ...deployment.status, ...(conditions ? { conditions } : {}) },
  });
}
