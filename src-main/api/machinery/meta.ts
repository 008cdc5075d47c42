import type { ObjectMeta, OwnerReference } from '#api/gen/types';

/** The owner that manages `object`, if one does (`metav1.GetControllerOf`). */
export function controllerOf(object: { readonly metadata: ObjectMeta }): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** `record` without `keys`; the same object when none of them is there. */
export function omit<T extends object, K extends keyof T>(record: T, ...keys: readonly K[]): Omit<T, K> {
  if (!keys.some((key) => key in record)) return record;
  const copy: Partial<T> = { ...record };
  for (const key of keys) delete copy[key];
  return copy as Omit<T, K>;
}

/** What the conditions of all kinds have in common. */
export interface ConditionLike {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export function findCondition<C extends ConditionLike>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isConditionTrue(conditions: readonly ConditionLike[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

/**
 * `conditions` with `next` in the place of the one of its type, or at the end. The transition time stays unless the status
 * changes; the same array comes back when nothing would change.
 */
export function setCondition<C extends ConditionLike>(conditions: readonly C[] | undefined, next: C): readonly C[] {
  const before = findCondition(conditions, next.type);
  if (!before) return [...(conditions ?? []), next];
  const kept =
    before.status === next.status && before.lastTransitionTime !== undefined
      ? { ...next, lastTransitionTime: before.lastTransitionTime }
      : next;
  const same = (Object.keys({ ...before, ...kept }) as (keyof C)[]).every((key) => before[key] === kept[key]);
  if (same && conditions) return conditions;
  return (conditions ?? []).map((condition) => (condition === before ? kept : condition));
}
