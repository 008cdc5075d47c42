import type {
  LocalSubjectAccessReview,
  NonResourceAttributes,
  PolicyRule,
  ResourceAttributes,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
  SubjectRulesReviewStatus,
  TokenReview,
} from '#api/gen/types';
import type { Context } from '#base/context';
import { deepFreeze } from '#base/freeze';
import type { KubeObject } from '#api/machinery/object';
import { isStatus, StatusError } from '#api/machinery/status';
import { type FieldError, invalid, invalidError } from '#api/validation/errors';
import type { ApiRequest, UserInfo } from '../request.ts';
import type { UnionAuthenticator } from './authenticator.ts';
import type { Attributes, Authorizer } from './authorizer.ts';
import { nodeNameOf } from './node-authorizer.ts';
import type { RbacAuthorizer } from './rbac.ts';

export interface ReviewsOptions {
  readonly authorizer: Authorizer;
  readonly rbac: RbacAuthorizer;
  readonly authenticator: UnionAuthenticator;
  /** The server's own audiences, for token reviews that name none. */
  readonly audiences: readonly string[];
}

/**
 * The resources that are asked and never stored: access, rules, token and self reviews (`pkg/registry/authorization` and
 * `authentication` of kube-apiserver, release 1.36).
 */
export class Reviews {
  readonly #options: ReviewsOptions;

  constructor(options: ReviewsOptions) {
    this.#options = options;
  }

  /** Answers the review that was posted, with its status. Throws StatusError. */
  async create(context: Context, request: ApiRequest, review: KubeObject): Promise<KubeObject> {
    const status = await this.#status(context, request, review);
    return deepFreeze({ ...review, metadata: review.metadata ?? {}, status });
  }

  async #status(context: Context, request: ApiRequest, review: KubeObject): Promise<unknown> {
    switch (review.kind) {
      case 'SelfSubjectAccessReview': {
        const { spec } = review as SelfSubjectAccessReview;
        return this.#access(context, request.user, spec ?? {}, review.kind);
      }
      case 'SubjectAccessReview': {
        const { spec } = review as SubjectAccessReview;
        return this.#access(context, subjectOf(spec ?? {}, review.kind), spec ?? {}, review.kind);
      }
      case 'LocalSubjectAccessReview': {
        const { spec } = review as LocalSubjectAccessReview;
        return this.#access(context, subjectOf(spec ?? {}, review.kind), spec ?? {}, review.kind);
      }
      case 'SelfSubjectRulesReview':
        return this.#rules(request.user, (review as SelfSubjectRulesReview).spec?.namespace ?? '');
      case 'SelfSubjectReview':
        return { userInfo: wireUser(request.user) };
      case 'TokenReview':
        return this.#token(context, (review as TokenReview).spec ?? { token: '' });
      default:
        throw new StatusError('BadRequest', `not a review: ${review.kind}`);
    }
  }

  async #access(
    context: Context,
    user: UserInfo,
    spec: Pick<SubjectAccessReviewSpec, 'resourceAttributes' | 'nonResourceAttributes'>,
    kind: string,
  ): Promise<SubjectAccessReviewStatus> {
    const { verdict, reason } = await this.#options.authorizer.authorize(context, attributesOf(user, spec, kind));
    return {
      allowed: verdict === 'allow',
      ...(verdict === 'deny' ? { denied: true } : {}),
      ...(reason ? { reason } : {}),
    };
  }

  #rules(user: UserInfo, namespace: string): SubjectRulesReviewStatus {
    if (namespace === '') throw new StatusError('BadRequest', 'no namespace on request');
    const problems: string[] = [];
    const rules: PolicyRule[] = user.groups.includes('system:masters') ? [...everything] : [];
    for (const { rule } of this.#options.rbac.rulesFor(user, namespace, problems)) rules.push(rule);
    const isNode = nodeNameOf(user) !== undefined;
    if (isNode) problems.push('node authorizer does not support user rule resolution');
    return {
      incomplete: problems.length > 0,
      nonResourceRules: rules.flatMap(({ verbs, nonResourceURLs }) =>
        nonResourceURLs?.length ? [{ verbs, nonResourceURLs }] : [],
      ),
      resourceRules: rules.flatMap(({ nonResourceURLs, ...rule }) => (nonResourceURLs?.length ? [] : [rule])),
      ...(problems.length > 0 ? { evaluationError: problems.join(', ') } : {}),
    };
  }

  async #token(context: Context, spec: TokenReview['spec']): Promise<unknown> {
    if (!spec.token) throw new StatusError('BadRequest', 'token is required for TokenReview in authentication');
    const wanted = spec.audiences?.length ? spec.audiences : this.#options.audiences;
    try {
      const { user, audiences } = await this.#options.authenticator.authenticateToken(context, spec.token);
      const shared = audiences.length === 0 ? wanted : wanted.filter((audience) => audiences.includes(audience));
      if (shared.length === 0)
        return {
          user: {},
          error: `token audiences ${goList(audiences)} is invalid for the target audiences ${goList(wanted)}`,
        };
      return { authenticated: true, user: wireUser(user), audiences: shared };
    } catch (error) {
      if (!isStatus(error, 'Unauthorized')) throw error;
      return { user: {}, error: 'invalid bearer token' };
    }
  }
}

const everything: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

function goList(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}

function subjectOf(spec: SubjectAccessReviewSpec, kind: string): UserInfo {
  const { user = '', groups = [], uid, extra } = spec;
  if (user === '' && groups.length === 0)
    throw wrong(kind, invalid('spec.user', '', 'at least one of user or group must be specified'));
  return { name: user, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
}

function wrong(kind: string, error: FieldError): StatusError {
  return invalidError({ group: 'authorization.k8s.io', kind }, '', [error]);
}

function attributesOf(
  user: UserInfo,
  {
    resourceAttributes,
    nonResourceAttributes,
  }: { resourceAttributes?: ResourceAttributes; nonResourceAttributes?: NonResourceAttributes },
  kind: string,
): Attributes {
  if (resourceAttributes && nonResourceAttributes) {
    throw wrong(
      kind,
      invalid(
        'spec.nonResourceAttributes',
        nonResourceAttributes,
        'cannot be specified in combination with resourceAttributes',
      ),
    );
  }
  const empty = { path: '', group: '', version: '', resource: '', subresource: '', namespace: '', name: '' };
  if (nonResourceAttributes) {
    const { path = '', verb = '' } = nonResourceAttributes;
    return { ...empty, user, isResourceRequest: false, path, verb };
  }
  if (!resourceAttributes) {
    throw wrong(
      kind,
      invalid(
        'spec.resourceAttributes',
        null,
        'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ),
    );
  }
  const { fieldSelector: _fields, labelSelector: _labels, verb = '', ...named } = resourceAttributes;
  return { ...empty, ...named, user, isResourceRequest: true, verb };
}

/** A user as reviews spell it. */
function wireUser({ name, uid, groups, extra }: UserInfo): Readonly<Record<string, unknown>> {
  return {
    username: name,
    ...(uid ? { uid } : {}),
    groups,
    ...(extra && Object.keys(extra).length > 0 ? { extra } : {}),
  };
}
