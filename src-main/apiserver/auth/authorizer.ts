import type { Context } from '#base/context';
import { StatusError } from '#api/machinery/status';
import type { RequestInfo } from '../http/request-info.ts';
import type { UserInfo } from '../request.ts';

/** What is asked for, by whom (`authorizer.Attributes` of k8s.io/apiserver). */
export type Attributes = { readonly user: UserInfo } & Pick<
  RequestInfo,
  'isResourceRequest' | 'verb' | 'path' | 'group' | 'version' | 'resource' | 'subresource' | 'namespace' | 'name'
> &
  /** Of a list or a watch, where the request says it. */
  Partial<Pick<RequestInfo, 'fieldSelector'>>;

export interface Decision {
  /** `deny` stops the chain of authorizers, `no-opinion` asks the next; either means no when nobody allows. */
  readonly verdict: 'allow' | 'deny' | 'no-opinion';
  /** Why, for reviews and error texts; empty when there is nothing to say. */
  readonly reason: string;
}

export interface Authorizer {
  authorize(context: Context, attributes: Attributes): Promise<Decision> | Decision;
}

export const noOpinion: Decision = Object.freeze({ verdict: 'no-opinion', reason: '' });

/** Asks one authorizer after the other until one has an opinion; reasons of those without are joined. */
export class UnionAuthorizer implements Authorizer {
  readonly #authorizers: readonly Authorizer[];

  constructor(authorizers: readonly Authorizer[]) {
    this.#authorizers = authorizers;
  }

  async authorize(context: Context, attributes: Attributes): Promise<Decision> {
    const reasons: string[] = [];
    for (const authorizer of this.#authorizers) {
      const answer = authorizer.authorize(context, attributes);
      const decision = answer instanceof Promise ? await answer : answer;
      if (decision.verdict !== 'no-opinion') return decision;
      if (decision.reason) reasons.push(decision.reason);
    }
    return reasons.length === 0 ? noOpinion : { verdict: 'no-opinion', reason: reasons.join(', ') };
  }
}

/** Members of `system:masters` may do everything, whatever RBAC says (`NewPrivilegedGroups` upstream). */
export const mastersAuthorizer: Authorizer = {
  authorize: (_context, { user }) =>
    user.groups.includes('system:masters') ? { verdict: 'allow', reason: '' } : noOpinion,
};

/** Throws Forbidden in upstream's words unless `authorizer` allows. */
export async function requireAllowed(context: Context, authorizer: Authorizer, attributes: Attributes): Promise<void> {
  const decision = await authorizer.authorize(context, attributes);
  if (decision.verdict !== 'allow') throw forbidden(attributes, decision.reason);
}

/** `pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"`. */
export function forbidden(attributes: Attributes, reason: string): StatusError {
  const { group, resource, name } = attributes;
  const tail = reason ? `${describeDenied(attributes)}: ${reason}` : describeDenied(attributes);
  if (!attributes.isResourceRequest) return new StatusError('Forbidden', `forbidden: ${tail}`, {});
  const qualified = group ? `${resource}.${group}` : resource;
  const subject = name ? `${qualified} ${JSON.stringify(name)}` : qualified;
  const details = { ...(name ? { name } : {}), ...(group ? { group } : {}), kind: resource };
  return new StatusError('Forbidden', `${subject} is forbidden: ${tail}`, details);
}

function describeDenied(attributes: Attributes): string {
  const { user, verb, path, group, resource, subresource, namespace } = attributes;
  const who = `User ${JSON.stringify(user.name)} cannot ${verb}`;
  if (!attributes.isResourceRequest) return `${who} path ${JSON.stringify(path)}`;
  const what = JSON.stringify(subresource ? `${resource}/${subresource}` : resource);
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : 'at the cluster scope';
  return `${who} resource ${what} in API group ${JSON.stringify(group)} ${where}`;
}
