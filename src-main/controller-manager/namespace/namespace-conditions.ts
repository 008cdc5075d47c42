import type { NamespaceCondition } from '#api/gen/types';
import type { GroupVersionResource, KubeObject } from '#api/machinery/object';

/** Content that is still there after its deletion was asked for. */
export interface Remaining {
  readonly resource: GroupVersionResource;
  readonly objects: readonly KubeObject[];
}

/** What a namespace tells about its own deletion (`namespace/deletion/status_condition_utils.go`, release 1.36). */
export function contentConditions(remaining: readonly Remaining[]): readonly NamespaceCondition[] {
  return [
    condition('DiscoveryFailure', false, 'ResourcesDiscovered', 'All resources successfully discovered'),
    condition('GroupVersionParsingFailure', false, 'ParsedGroupVersions', 'All legacy kube types successfully parsed'),
    condition(
      'ContentFailure',
      false,
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ),
    remainingCondition(remaining),
    finalizersCondition(remaining),
  ].map(({ type, ...rest }) => ({ type: type.includes('Remaining') ? type : `NamespaceDeletion${type}`, ...rest }));
}

function remainingCondition(remaining: readonly Remaining[]): NamespaceCondition {
  const type = 'NamespaceContentRemaining';
  if (remaining.length === 0) return condition(type, false, 'ContentRemoved', 'All content successfully removed');
  const parts = remaining.map(({ resource, objects }) => {
    return `${resource.resource}.${resource.group} has ${objects.length} resource instances`;
  });
  return condition(type, true, 'SomeResourcesRemain', `Some resources are remaining: ${parts.sort().join(', ')}`);
}

function finalizersCondition(remaining: readonly Remaining[]): NamespaceCondition {
  const type = 'NamespaceFinalizersRemaining';
  const counts = new Map<string, number>();
  for (const { metadata } of remaining.flatMap(({ objects }) => objects)) {
    for (const finalizer of metadata.finalizers ?? []) counts.set(finalizer, (counts.get(finalizer) ?? 0) + 1);
  }
  if (counts.size === 0)
    return condition(type, false, 'ContentHasNoFinalizers', 'All content-preserving finalizers finished');
  const parts = [...counts].map(([finalizer, count]) => `${finalizer} in ${count} resource instances`).sort();
  const message = `Some content in the namespace has finalizers remaining: ${parts.join(', ')}`;
  return condition(type, true, 'SomeFinalizersRemain', message);
}

function condition(type: string, status: boolean, reason: string, message: string): NamespaceCondition {
  return { type, status: status ? 'True' : 'False', reason, message };
}
