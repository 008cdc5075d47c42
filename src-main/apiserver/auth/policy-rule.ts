import type { PolicyRule } from '#api/gen/types';
import type { Attributes } from './authorizer.ts';

/** Whether one RBAC rule allows what is asked (`rbac.RuleAllows`, release 1.36). */
export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!attributes.isResourceRequest) {
    return (
      matches(rule.verbs, attributes.verb) &&
      (rule.nonResourceURLs ?? []).some((url) => urlMatches(url, attributes.path))
    );
  }
  return (
    matches(rule.verbs, attributes.verb) &&
    matches(rule.apiGroups ?? [], attributes.group) &&
    (rule.resources ?? []).some((resource) => resourceMatches(resource, attributes.resource, attributes.subresource)) &&
    nameMatches(rule.resourceNames, attributes.name)
  );
}

function matches(allowed: readonly string[], wanted: string): boolean {
  return allowed.includes('*') || allowed.includes(wanted);
}

/** `*`, `pods`, `pods/log`, or `*` + `/scale` for a subresource of whatever resource. */
function resourceMatches(allowed: string, resource: string, subresource: string): boolean {
  if (allowed === '*') return true;
  if (allowed === (subresource ? `${resource}/${subresource}` : resource)) return true;
  return subresource !== '' && allowed === `*/${subresource}`;
}

function nameMatches(names: readonly string[] | undefined, wanted: string): boolean {
  return names === undefined || names.length === 0 || names.includes(wanted);
}

/** A trailing `*` matches any ending. */
function urlMatches(allowed: string, path: string): boolean {
  if (allowed === '*' || allowed === path) return true;
  return allowed.endsWith('*') && path.startsWith(allowed.replace(/\*+$/, ''));
}

/** Whether everything `wanted` grants is granted by `owned` (`validation.Covers` of the RBAC registry). */
export function uncoveredRules(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): readonly PolicyRule[] {
  return wanted.flatMap(breakDown).filter((single) => !owned.some((rule) => covers(rule, single)));
}

/** A rule as the rules of one verb on one thing each that it stands for. */
function breakDown(rule: PolicyRule): readonly PolicyRule[] {
  const singles: PolicyRule[] = [];
  for (const verb of rule.verbs) {
    for (const url of rule.nonResourceURLs ?? []) singles.push({ nonResourceURLs: [url], verbs: [verb] });
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const single = { apiGroups: [group], resources: [resource], verbs: [verb] };
        const names = rule.resourceNames ?? [];
        if (names.length === 0) singles.push(single);
        else singles.push(...names.map((name) => ({ ...single, resourceNames: [name] })));
      }
    }
  }
  return singles;
}

function covers(owner: PolicyRule, single: PolicyRule): boolean {
  const [verb = ''] = single.verbs;
  if (!matches(owner.verbs, verb)) return false;
  const [url] = single.nonResourceURLs ?? [];
  if (url !== undefined) return (owner.nonResourceURLs ?? []).some((allowed) => urlMatches(allowed, url));
  const [resource = '', subresource = ''] = (single.resources?.[0] ?? '').split('/');
  const [name] = single.resourceNames ?? [];
  const owned = owner.resourceNames ?? [];
  return (
    matches(owner.apiGroups ?? [], single.apiGroups?.[0] ?? '') &&
    (owner.resources ?? []).some((allowed) => resourceMatches(allowed, resource, subresource)) &&
    (owned.length === 0 || (name !== undefined && owned.includes(name)))
  );
}
