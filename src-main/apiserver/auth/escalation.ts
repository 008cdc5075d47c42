import type { ClusterRole, PolicyRule, Role, RoleBinding } from '#api/gen/types';
import type { Context } from '#base/context';
import { jsonEqual } from '#base/freeze';
import type { KubeObject } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import type { AdmissionPlugin, AdmissionRequest } from '../admission/admission.ts';
import type { UserInfo } from '../request.ts';
import type { Attributes, Authorizer } from './authorizer.ts';
import { rbacGroup } from './object-reader.ts';
import { uncoveredRules } from './policy-rule.ts';
import type { RbacAuthorizer } from './rbac.ts';

type StoredRole = KubeObject & (Role | ClusterRole);
type StoredBinding = KubeObject & RoleBinding;

/**
 * Nobody grants what they do not hold: who writes a role must hold its rules, who writes a binding those of its role, or be
 * allowed to `escalate` or `bind` (`registry/rbac/.../policybased`, release 1.36). Turned down with Forbidden.
 */
export function escalationCheck(authorizer: Authorizer, rbac: RbacAuthorizer): AdmissionPlugin {
  const holds = async (
    context: Context,
    user: UserInfo,
    asked: Pick<Attributes, 'verb' | 'resource' | 'namespace' | 'name'>,
  ): Promise<boolean> => {
    const attributes = {
      isResourceRequest: true,
      path: '',
      group: rbacGroup,
      version: 'v1',
      subresource: '',
      user,
      ...asked,
    };
    return (await authorizer.authorize(context, attributes)).verdict === 'allow';
  };
  const validateRole = async ({
    context,
    user,
    served,
    namespace,
    name,
    object,
    old,
  }: AdmissionRequest): Promise<void> => {
    const [role, before] = [object as StoredRole, old as StoredRole | undefined];
    const { resource } = served;
    const aggregates = 'aggregationRule' in role && role.aggregationRule !== undefined;
    if (before && jsonEqual(role.rules, before.rules) && jsonEqual(aggregationOf(role), aggregationOf(before))) return;
    if (await holds(context, user, { verb: 'escalate', resource, namespace, name })) return;
    if (aggregates && missing(rbac, user, namespace, fullAuthority).length > 0) {
      throw refusal(resource, name, 'must have cluster-admin privileges to use the aggregationRule');
    }
    confirm(rbac, user, namespace, role.rules ?? [], resource, name);
  };
  const validateBinding = async ({
    context,
    user,
    served,
    namespace,
    name,
    object,
    old,
  }: AdmissionRequest): Promise<void> => {
    const [binding, before] = [object as StoredBinding, old as StoredBinding | undefined];
    if (before && jsonEqual(binding.roleRef, before.roleRef) && jsonEqual(binding.subjects, before.subjects)) return;
    const { roleRef } = binding;
    const bound = roleRef.kind === 'Role' ? { resource: 'roles', namespace } : { resource: 'clusterroles', namespace };
    if (await holds(context, user, { verb: 'bind', ...bound, name: roleRef.name })) return;
    const problems: string[] = [];
    const rules = rbac.rulesOf(roleRef, namespace, problems);
    if (problems.length > 0)
      throw new StatusError('NotFound', problems[0] ?? '', {
        name: roleRef.name,
        group: rbacGroup,
        kind: bound.resource,
      });
    confirm(rbac, user, namespace, rules, served.resource, name);
  };
  return {
    name: 'RBACEscalation',
    validate: async (request) => {
      const { served, user, operation, subresource } = request;
      if (
        served.group !== rbacGroup ||
        operation === 'DELETE' ||
        subresource !== '' ||
        user.groups.includes('system:masters')
      )
        return;
      await (served.resource.endsWith('bindings') ? validateBinding(request) : validateRole(request));
    },
  };
}

const fullAuthority: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

function aggregationOf(role: StoredRole): unknown {
  return 'aggregationRule' in role ? role.aggregationRule : undefined;
}

function missing(
  rbac: RbacAuthorizer,
  user: UserInfo,
  namespace: string,
  wanted: readonly PolicyRule[],
): readonly PolicyRule[] {
  const owned = [...rbac.rulesFor(user, namespace, [])].map(({ rule }) => rule);
  return uncoveredRules(owned, wanted);
}

function confirm(
  rbac: RbacAuthorizer,
  user: UserInfo,
  namespace: string,
  wanted: readonly PolicyRule[],
  resource: string,
  name: string,
): void {
  const lacking = missing(rbac, user, namespace, wanted);
  if (lacking.length === 0) return;
  const who = `user ${JSON.stringify(user.name)} (groups=${goList(user.groups)})`;
  const rules = [...new Set(compact(lacking).map(ruleText))].sort().join('\n');
  throw refusal(resource, name, `${who} is attempting to grant RBAC permissions not currently held:\n${rules}`);
}

function refusal(resource: string, name: string, text: string): StatusError {
  const message = `${resource}.${rbacGroup} ${JSON.stringify(name)} is forbidden: ${text}`;
  return new StatusError('Forbidden', message, { name, group: rbacGroup, kind: resource });
}

/** Rules of one verb each, put together where they differ in the verb alone. */
function compact(rules: readonly PolicyRule[]): readonly PolicyRule[] {
  const byTarget = new Map<string, PolicyRule>();
  for (const rule of rules) {
    const target = JSON.stringify([rule.apiGroups, rule.resources, rule.resourceNames, rule.nonResourceURLs]);
    const known = byTarget.get(target);
    byTarget.set(target, known ? { ...known, verbs: [...new Set([...known.verbs, ...rule.verbs])] } : rule);
  }
  return [...byTarget.values()];
}

function ruleText({ apiGroups, resources, nonResourceURLs, resourceNames, verbs }: PolicyRule): string {
  const parts = Object.entries({
    APIGroups: apiGroups,
    Resources: resources,
    NonResourceURLs: nonResourceURLs,
    ResourceNames: resourceNames,
    Verbs: verbs,
  });
  return `{${parts.flatMap(([key, values]) => (values && values.length > 0 ? [`${key}:${goList(values)}`] : [])).join(', ')}}`;
}

/** A list of strings as Go's %q spells it. */
function goList(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}
