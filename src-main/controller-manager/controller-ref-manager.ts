import type { LabelSelector } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { ResourceClient } from '#client/client';
import { matchesLabelSelector } from '#client/label-selectors';
import { controllerReference } from '#client/owner-references';
import type { OwnedIndex } from './owned-index.ts';

export interface ClaimRequest<Owner extends KubeObject, T extends KubeObject> {
  readonly owner: Owner;
  readonly owners: ResourceClient<Owner>;
  /** Absent or empty: nothing is adopted or released. */
  readonly selector: LabelSelector | undefined;
  readonly owned: OwnedIndex<T>;
  readonly resource: ResourceClient<T>;
}

/**
 * Makes ownership agree with the owner's selector (kube-controller-manager `ControllerRefManager`, release 1.36) and
 * returns what the owner holds afterwards: owned objects that do not match are released, orphans that match are adopted.
 * Nothing changes hands while the owner is being deleted.
 */
export async function claim<Owner extends KubeObject, T extends KubeObject>(
  context: Context,
  request: ClaimRequest<Owner, T>,
): Promise<readonly T[]> {
  const { owner, owned, selector } = request;
  if (isEmptySelector(selector)) return owned.ownedBy(owner);
  const deleting = owner.metadata.deletionTimestamp !== undefined;
  const claimed: T[] = [];
  for (const object of owned.ownedBy(owner)) {
    if (matchesLabelSelector(selector, object.metadata.labels)) claimed.push(object);
    else if (!deleting) await release(context, request, object);
  }
  if (deleting) return claimed;
  const adoptable = owned
    .orphans(owner.metadata.namespace ?? '')
    .filter(({ metadata }) => !metadata.deletionTimestamp && matchesLabelSelector(selector, metadata.labels));
  if (adoptable.length === 0 || !(await canAdopt(context, request))) return claimed;
  for (const object of adoptable) {
    const adopted = await adopt(context, request, object);
    if (adopted) claimed.push(adopted);
  }
  return claimed;
}

/** Whether the selector names nothing and so matches everything: nobody acts on it. */
export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0;
}

/** The cache may be behind: an owner that is gone, replaced or being deleted must not adopt. */
async function canAdopt<O extends KubeObject, T extends KubeObject>(
  context: Context,
  { owner, owners }: ClaimRequest<O, T>,
): Promise<boolean> {
  const { namespace = '', name = '', uid } = owner.metadata;
  try {
    const fresh = await owners.get(context, namespace, name);
    return fresh.metadata.uid === uid && fresh.metadata.deletionTimestamp === undefined;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return false;
    throw error;
  }
}

async function adopt<O extends KubeObject, T extends KubeObject>(
  context: Context,
  request: ClaimRequest<O, T>,
  object: T,
): Promise<T | undefined> {
  const reference = controllerReference(request.owner);
  return patchOwners(context, request.resource, object, [...(object.metadata.ownerReferences ?? []), reference]);
}

async function release<O extends KubeObject, T extends KubeObject>(
  context: Context,
  request: ClaimRequest<O, T>,
  object: T,
): Promise<void> {
  const kept = object.metadata.ownerReferences?.filter(({ uid }) => uid !== request.owner.metadata.uid) ?? [];
  await patchOwners(context, request.resource, object, kept);
}

/** The uid and the resourceVersion in the patch make a stale decision fail instead of hitting another object. */
async function patchOwners<T extends KubeObject>(
  context: Context,
  resource: ResourceClient<T>,
  { metadata }: T,
  ownerReferences: readonly unknown[],
): Promise<T | undefined> {
  const { namespace = '', name = '', uid, resourceVersion } = metadata;
  try {
    return await resource.patch(context, namespace, name, 'merge', {
      metadata: { uid, resourceVersion, ownerReferences },
    });
  } catch (error) {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  }
}
