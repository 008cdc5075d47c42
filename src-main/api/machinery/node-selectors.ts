import type { NodeSelectorRequirement, NodeSelectorTerm } from '#api/gen/types';

/** What of a node a term can ask about. */
export interface SelectableNode {
  readonly name: string | undefined;
  readonly labels: Readonly<Record<string, string>> | undefined;
}

/** Whether a node meets all of a term (`component-helpers/scheduling/corev1/nodeaffinity`, 1.36). An empty term matches nothing. */
export function matchesNodeSelectorTerm(term: NodeSelectorTerm, { name, labels }: SelectableNode): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  return (
    matchExpressions.every((requirement) => meets(requirement, labels?.[requirement.key])) &&
    matchFields.every((requirement) => requirement.key === 'metadata.name' && meets(requirement, name))
  );
}

const wholeNumber = /^-?\d+$/;

function meets({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return wholeNumber.test(value ?? '') && Number(value) > Number(values[0]);
    case 'Lt':
      return wholeNumber.test(value ?? '') && Number(value) < Number(values[0]);
    default:
      return false;
  }
}
