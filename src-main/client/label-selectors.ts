import type { LabelSelector, LabelSelectorRequirement } from '#api/gen/types';

type Labels = Readonly<Record<string, string>> | undefined;

/**
 * Whether `labels` satisfy `selector` (`metav1.LabelSelectorAsSelector`, release 1.36): an empty selector selects
 * everything, an absent one nothing.
 */
export function matchesLabelSelector(selector: LabelSelector | undefined, labels: Labels): boolean {
  if (!selector) return false;
  return (
    matchesSet(selector.matchLabels ?? {}, labels) && (selector.matchExpressions ?? []).every((r) => meets(r, labels))
  );
}

/** Whether `labels` hold every pair of `set`: the selector of a Service or a ReplicationController. */
export function matchesSet(set: Readonly<Record<string, string>>, labels: Labels): boolean {
  for (const key of Object.keys(set)) if (labels?.[key] !== set[key]) return false;
  return true;
}

function meets(requirement: LabelSelectorRequirement, labels: Labels): boolean {
  const value = labels?.[requirement.key];
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return false;
  }
}
