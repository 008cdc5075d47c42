import type { ClusterRole, PolicyRule, RbacV1Subject, RoleRef } from '#api/gen/types';
import type { Context } from '#base/context';
import { matchesSelector, selectorOf } from '#api/machinery/labels';
import { aggregateText } from '#api/validation/errors';
import type { UserInfo } from '../request.ts';
import { type Attributes, type Authorizer, type Decision, noOpinion } from './authorizer.ts';
import { rbacGroup, type RbacReader } from './object-reader.ts';
import { ruleAllows } from './policy-rule.ts';
import { serviceAccountUsername } from './service-account-name.ts';

/** One rule that applies to a user, and the words for why. */
export interface GrantedRule {
  readonly rule: PolicyRule;
  /** `ClusterRoleBinding "x" of ClusterRole "y" to Group "z"`. */
  readonly source: () => string;
}

/**
 * Role based access control (`plugin/pkg/auth/authorizer/rbac`, release 1.36). Bindings are read from the caches on every
 * question, so a new binding counts from the moment the cache has it.
 */
export class RbacAuthorizer implements Authorizer {
  readonly #reader: RbacReader;

  constructor(reader: RbacReader) {
    this.#reader = reader;
  }

  authorize(_context: Context, attributes: Attributes): Decision {
    const problems: string[] = [];
    const namespace = attributes.isResourceRequest ? attributes.namespace : '';
    for (const { rule, source } of this.rulesFor(attributes.user, namespace, problems)) {
      if (ruleAllows(rule, attributes)) return { verdict: 'allow', reason: `RBAC: allowed by ${source()}` };
    }
    return problems.length === 0 ? noOpinion : { verdict: 'no-opinion', reason: `RBAC: ${aggregateText(problems)}` };
  }

  /** Every rule that applies to `user` in `namespace` (empty: cluster-wide only). Missing roles go into `problems`. */
  *rulesFor(user: UserInfo, namespace: string, problems: string[]): Generator<GrantedRule> {
    for (const binding of this.#reader.clusterRoleBindings()) {
      const subject = subjectFor(user, binding.subjects, '');
      if (!subject) continue;
      const { roleRef, metadata } = binding;
      const source = (): string => describe(`ClusterRoleBinding ${quote(metadata.name)}`, roleRef, subject, '');
      for (const rule of this.rulesOf(roleRef, '', problems)) yield { rule, source };
    }
    if (namespace === '') return;
    for (const binding of this.#reader.roleBindings(namespace)) {
      const subject = subjectFor(user, binding.subjects, namespace);
      if (!subject) continue;
      const { roleRef, metadata } = binding;
      const source = (): string =>
        describe(`RoleBinding ${quote(`${metadata.name ?? ''}/${namespace}`)}`, roleRef, subject, namespace);
      for (const rule of this.rulesOf(roleRef, namespace, problems)) yield { rule, source };
    }
  }

  /** The rules of the role that `roleRef` names, aggregated ones included. */
  rulesOf(roleRef: RoleRef, namespace: string, problems: string[]): readonly PolicyRule[] {
    const { kind, name } = roleRef;
    if (kind === 'Role') {
      const role = this.#reader.role(namespace, name);
      if (!role) problems.push(`role.${rbacGroup} ${quote(name)} not found`);
      return role?.rules ?? [];
    }
    const role = this.#reader.clusterRole(name);
    if (!role) problems.push(`clusterrole.${rbacGroup} ${quote(name)} not found`);
    return role ? this.#withAggregated(role) : [];
  }

  /**
   * Upstream's clusterrole-aggregation controller writes the sum into the aggregating role some time later; here the sum is
   * made when it is asked for, so that a role counts as soon as it carries the label.
   */
  #withAggregated(role: ClusterRole): readonly PolicyRule[] {
    const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
    if (selectors.length === 0) return role.rules ?? [];
    const parts = this.#reader.clusterRoles().filter((other) => {
      const labels = other.metadata.labels ?? {};
      return other !== role && selectors.some((selector) => matchesSelector(selectorOf(selector), labels));
    });
    return [...(role.rules ?? []), ...parts.flatMap((part) => part.rules ?? [])];
  }
}

function subjectFor(
  user: UserInfo,
  subjects: readonly RbacV1Subject[] | undefined,
  namespace: string,
): RbacV1Subject | undefined {
  return subjects?.find((subject) => {
    if (subject.kind === 'User') return subject.name === user.name;
    if (subject.kind === 'Group') return user.groups.includes(subject.name);
    return serviceAccountUsername(subject.namespace ?? namespace, subject.name) === user.name;
  });
}

function describe(binding: string, roleRef: RoleRef, subject: RbacV1Subject, namespace: string): string {
  const named = subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace ?? namespace}` : subject.name;
  return `${binding} of ${roleRef.kind} ${quote(roleRef.name)} to ${subject.kind} ${quote(named)}`;
}

function quote(text = ''): string {
  return JSON.stringify(text);
}
