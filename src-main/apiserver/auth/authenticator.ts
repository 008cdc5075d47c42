import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context } from '#base/context';
import { StatusError } from '#api/machinery/status';
import type { UserInfo } from '../request.ts';

/** What a request brings along to say who it is from. */
export interface Credentials {
  readonly certificate: ClientCertificate | undefined;
  /** From `Authorization: Bearer`, or the WebSocket subprotocol that stands in for it. */
  readonly token: string | undefined;
}

export interface ClientCertificate {
  /** Whether the certificate is in date and comes from the cluster's CA. */
  readonly verified: boolean;
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** Fingerprint of the certificate, lower-case hex. */
  readonly sha256: string;
}

/** Knows one kind of bearer token. Undefined for a token of another kind; throws StatusError Unauthorized for a bad one. */
export interface TokenAuthenticator {
  authenticateToken(context: Context, token: string): Promise<TokenIdentity | undefined>;
}

export interface TokenIdentity {
  readonly user: UserInfo;
  /** Audiences the token is good for; empty for tokens that know none. */
  readonly audiences: readonly string[];
}

export interface RequestAuthenticator {
  /** Throws StatusError Unauthorized when credentials were given and none of them is good. */
  authenticate(context: Context, credentials: Credentials): Promise<UserInfo>;
}

export const allAuthenticated = 'system:authenticated';
export const anonymousUser: UserInfo = Object.freeze({
  name: 'system:anonymous',
  groups: Object.freeze(['system:unauthenticated']),
});
const credentialIdKey = 'authentication.kubernetes.io/credential-id';

export function unauthorized(cause?: unknown): StatusError {
  return new StatusError('Unauthorized', 'Unauthorized', undefined, { cause });
}

/** Client certificates, then bearer tokens, then nobody in particular. */
export class UnionAuthenticator implements RequestAuthenticator {
  readonly #tokens: readonly TokenAuthenticator[];
  readonly #audiences: readonly string[];

  /** `audiences` are the server's own names: a token made for others only is refused. */
  constructor(tokens: readonly TokenAuthenticator[], audiences: readonly string[]) {
    this.#tokens = tokens;
    this.#audiences = audiences;
  }

  async authenticate(context: Context, { certificate, token }: Credentials): Promise<UserInfo> {
    if (certificate?.verified && certificate.commonName !== '')
      return withAuthenticated(userOfCertificate(certificate));
    if (token !== undefined) {
      const identity = await this.authenticateToken(context, token);
      const { audiences } = identity;
      if (audiences.length > 0 && !audiences.some((audience) => this.#audiences.includes(audience)))
        throw unauthorized();
      return identity.user;
    }
    if (certificate) throw unauthorized();
    return anonymousUser;
  }

  /** For TokenReview: who a token is from, whatever its audience. Throws StatusError Unauthorized. */
  async authenticateToken(context: Context, token: string): Promise<TokenIdentity> {
    for (const authenticator of this.#tokens) {
      const identity = await authenticator.authenticateToken(context, token);
      if (identity) return { ...identity, user: withAuthenticated(identity.user) };
    }
    throw unauthorized();
  }
}

function withAuthenticated(user: UserInfo): UserInfo {
  return user.groups.includes(allAuthenticated) ? user : { ...user, groups: [...user.groups, allAuthenticated] };
}

function userOfCertificate({ commonName, organizations, sha256 }: ClientCertificate): UserInfo {
  return { name: commonName, groups: organizations, extra: { [credentialIdKey]: [`X509SHA256=${sha256}`] } };
}

/** Tokens given out by the cluster itself when it was made: for bootstrapping and for the UI. */
export class StaticTokens implements TokenAuthenticator {
  readonly #users: ReadonlyArray<{ readonly digest: Buffer; readonly user: UserInfo }>;

  constructor(users: ReadonlyMap<string, UserInfo>) {
    this.#users = [...users].map(([token, user]) => ({ digest: digestOf(token), user }));
  }

  async authenticateToken(_context: Context, token: string): Promise<TokenIdentity | undefined> {
    const digest = digestOf(token);
    // Every entry is compared, in constant time, so that the time taken says nothing about the tokens.
    let found: UserInfo | undefined;
    for (const entry of this.#users) if (timingSafeEqual(entry.digest, digest)) found = entry.user;
    return found ? { user: found, audiences: [] } : undefined;
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
