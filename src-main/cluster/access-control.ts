import { UnionAuthenticator } from '#apiserver/auth/authenticator';
import { mastersAuthorizer, UnionAuthorizer, type Authorizer } from '#apiserver/auth/authorizer';
import { JwtKey } from '#apiserver/auth/jwt';
import { NodeAuthorizer } from '#apiserver/auth/node-authorizer';
import { RbacReader } from '#apiserver/auth/object-reader';
import { RbacAuthorizer } from '#apiserver/auth/rbac';
import { Reviews } from '#apiserver/auth/reviews';
import { defaultIssuer, ServiceAccountTokens } from '#apiserver/auth/service-account-tokens';
import type { CachedObjects } from '#apiserver/delegates';
import type { Clock } from '#base/clock';

export interface AccessControlOptions {
  readonly objects: CachedObjects;
  /** PEM. */
  readonly serviceAccountKey: string;
  readonly clock: Clock;
}

/** Who is it, and may they: `--authorization-mode=Node,RBAC` with client certificates and service account tokens. */
export class AccessControl {
  readonly key: JwtKey;
  readonly tokens: ServiceAccountTokens;
  readonly authenticator: UnionAuthenticator;
  readonly authorizer: Authorizer;
  readonly reviews: Reviews;

  constructor({ objects, serviceAccountKey, clock }: AccessControlOptions) {
    this.key = new JwtKey(serviceAccountKey);
    this.tokens = new ServiceAccountTokens({ key: this.key, issuer: defaultIssuer, objects, clock });
    const { audiences } = this.tokens;
    this.authenticator = new UnionAuthenticator([this.tokens], audiences);
    const rbac = new RbacAuthorizer(new RbacReader(objects));
    this.authorizer = new UnionAuthorizer([mastersAuthorizer, new NodeAuthorizer(objects), rbac]);
    this.reviews = new Reviews({ authorizer: this.authorizer, rbac, authenticator: this.authenticator, audiences });
  }
}
