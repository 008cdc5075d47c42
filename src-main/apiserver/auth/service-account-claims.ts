import type { JwtClaims } from './jwt.ts';

/** One object a token is bound to: it dies with it. */
export interface BoundReference {
  readonly name: string;
  readonly uid: string;
}

/** The claims of a service account token (`pkg/serviceaccount/claims.go`, release 1.36). */
export interface ServiceAccountClaims {
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  readonly notBefore: number;
  /** `jti`. */
  readonly id: string;
  readonly namespace: string;
  readonly serviceAccount: BoundReference;
  readonly pod?: BoundReference;
  readonly secret?: BoundReference;
  readonly node?: { readonly name: string; readonly uid?: string };
}

export function encodeClaims(claims: ServiceAccountClaims, subject: string): JwtClaims {
  const { issuer, audiences, expiresAt, notBefore, id, namespace, serviceAccount, pod, secret, node } = claims;
  return {
    aud: audiences,
    exp: expiresAt,
    iat: notBefore,
    iss: issuer,
    jti: id,
    'kubernetes.io': {
      namespace,
      ...(node ? { node } : {}),
      ...(pod ? { pod } : {}),
      ...(secret ? { secret } : {}),
      serviceaccount: serviceAccount,
    },
    nbf: notBefore,
    sub: subject,
  };
}

/** Undefined when the claims are not those of a service account token. */
export function decodeClaims(claims: JwtClaims): ServiceAccountClaims | undefined {
  const { aud, exp, iss, jti, nbf } = claims;
  const own = recordOf(claims['kubernetes.io']);
  const serviceAccount = referenceOf(own?.['serviceaccount']);
  const namespace = own?.['namespace'];
  if (!own || !serviceAccount || typeof namespace !== 'string' || typeof exp !== 'number' || typeof iss !== 'string')
    return undefined;
  const pod = referenceOf(own['pod']);
  const secret = referenceOf(own['secret']);
  const node = referenceOf(own['node']);
  return {
    issuer: iss,
    audiences: Array.isArray(aud) ? aud.filter((one): one is string => typeof one === 'string') : [],
    expiresAt: exp,
    notBefore: typeof nbf === 'number' ? nbf : 0,
    id: typeof jti === 'string' ? jti : '',
    namespace,
    serviceAccount,
    ...(pod ? { pod } : {}),
    ...(secret ? { secret } : {}),
    ...(node ? { node } : {}),
  };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
}

function referenceOf(value: unknown): BoundReference | undefined {
  const { name, uid } = recordOf(value) ?? {};
  return typeof name === 'string' ? { name, uid: typeof uid === 'string' ? uid : '' } : undefined;
}
