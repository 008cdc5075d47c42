import type { Namespace, ObjectMeta, Pod } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { formatTime } from '#base/clock';
import { conflict } from '../storage/errors.ts';
import type { Change } from '../storage/object-store.ts';
import type { DeleteOptions, Propagation } from './delete-options.ts';
import { isNamespaceFinished } from './namespace-rules.ts';
import type { ServedResource } from './served-resource.ts';

const orphanFinalizer = 'orphan';
const foregroundFinalizer = 'foregroundDeletion';

/** Kinds whose dependents stay unless asked otherwise, kept by upstream for old clients. */
const orphaningByDefault = new Set(['Job', 'ReplicationController']);

/**
 * What a delete request does to an object: remove it, or mark it and leave the rest to whoever holds it (upstream:
 * `rest.BeforeDelete` and the finalizer rules of the generic registry store, release 1.36).
 *
 *     running pod, grace 30 -> marked, due in 30 s     the kubelet deletes it again with grace 0
 *     marked pod, grace 5   -> due in 5 s              a deletion can be hastened, never put off
 *     finalizers            -> marked                  goes with the update that takes the last one away
 */
export function deletionOf(served: ServedResource, object: KubeObject, options: DeleteOptions, nowMs: number): Change {
  const { metadata } = object;
  const finalizers = wantedFinalizers(object, options.propagation);
  if (object.kind === 'Namespace') return namespaceDeletion(served, object, finalizers, nowMs);
  const grace = object.kind === 'Pod' ? podGrace(object, options.gracePeriodSeconds) : 0;
  const pending = metadata.deletionTimestamp !== undefined;
  if (!pending) {
    if (grace === 0 && finalizers.length === 0) return { remove: true };
    return { next: marked(object, finalizers, grace, nowMs) };
  }
  const pendingGrace = metadata.deletionGracePeriodSeconds ?? 0;
  const hastened = options.gracePeriodSeconds !== undefined && grace < pendingGrace;
  const left = hastened ? grace : pendingGrace;
  if (left === 0 && finalizers.length === 0) return { remove: true };
  return { next: hastened ? shortened(object, finalizers, grace) : withFinalizers(object, finalizers) };
}

function wantedFinalizers({ kind, metadata }: KubeObject, asked: Propagation | undefined): readonly string[] {
  const now = metadata.finalizers ?? [];
  const others = now.filter((name) => name !== orphanFinalizer && name !== foregroundFinalizer);
  if (asked === 'Background') return others;
  if (asked === 'Orphan') return [...others, orphanFinalizer];
  if (asked === 'Foreground') return [...others, foregroundFinalizer];
  if (others.length < now.length) return now;
  return orphaningByDefault.has(kind) ? [...others, orphanFinalizer] : now;
}

/** A pod that runs nowhere, or runs no more, goes at once. */
function podGrace(object: KubeObject, asked: number | undefined): number {
  const { spec, status } = object as Pod & KubeObject;
  if (!spec.nodeName || status?.phase === 'Failed' || status?.phase === 'Succeeded') return 0;
  return asked ?? spec.terminationGracePeriodSeconds ?? 30;
}

function withFinalizers(object: KubeObject, finalizers: readonly string[]): KubeObject {
  const now = object.metadata.finalizers ?? [];
  if (now.length === finalizers.length && now.every((name, i) => name === finalizers[i])) return object;
  const { finalizers: _, ...rest } = object.metadata;
  return { ...object, metadata: finalizers.length > 0 ? { ...rest, finalizers } : rest };
}

function marked(object: KubeObject, finalizers: readonly string[], grace: number, nowMs: number): KubeObject {
  const held = withFinalizers(object, finalizers);
  const { generation } = held.metadata;
  const metadata: ObjectMeta = {
    ...held.metadata,
    deletionTimestamp: formatTime(nowMs + grace * 1000),
    deletionGracePeriodSeconds: grace,
    ...(generation ? { generation: generation + 1 } : {}),
  };
  return { ...held, metadata };
}

function shortened(object: KubeObject, finalizers: readonly string[], grace: number): KubeObject {
  const held = withFinalizers(object, finalizers);
  const { deletionTimestamp = '', deletionGracePeriodSeconds = 0, generation } = held.metadata;
  const dueMs = Date.parse(deletionTimestamp) - (deletionGracePeriodSeconds - grace) * 1000;
  const metadata: ObjectMeta = {
    ...held.metadata,
    deletionTimestamp: formatTime(dueMs),
    deletionGracePeriodSeconds: grace,
    ...(generation ? { generation: generation + 1 } : {}),
  };
  return { ...held, metadata };
}

function namespaceDeletion(
  served: ServedResource,
  object: KubeObject,
  finalizers: readonly string[],
  nowMs: number,
): Change {
  const namespace = object as Namespace & KubeObject;
  const held = !isNamespaceFinished(withFinalizers(object, finalizers));
  if (!held) return { remove: true };
  if (namespace.metadata.deletionTimestamp !== undefined) {
    const message =
      'The system is ensuring all content is removed from this namespace.  Upon completion, this namespace will automatically be purged by the system.';
    throw conflict(served, namespace.metadata.name ?? '', message);
  }
  const { metadata } = withFinalizers(object, finalizers);
  const terminating: Namespace & KubeObject = {
    ...namespace,
    metadata: { ...metadata, deletionTimestamp: formatTime(nowMs) },
    status: { ...namespace.status, phase: 'Terminating' },
  };
  return { next: terminating };
}
