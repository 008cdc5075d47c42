import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** The parts of a JSON Web Key Set that public keys have (RFC 7517). */
export interface JsonWebKeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

export type JwtClaims = Readonly<Record<string, unknown>>;

/**
 * A key that signs and checks JSON Web Tokens: ES256 for P-256 keys, RS256 for RSA keys. The key id is derived from the
 * public key, as kube-apiserver does it.
 */
export class JwtKey {
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #algorithm: 'ES256' | 'RS256';
  readonly #keyId: string;

  /** `pem`: a private key, PKCS #8. Throws when it is neither RSA nor P-256. */
  constructor(pem: string) {
    this.#privateKey = createPrivateKey(pem);
    this.#publicKey = createPublicKey(this.#privateKey);
    this.#algorithm = algorithmOf(this.#privateKey);
    const der = this.#publicKey.export({ type: 'spki', format: 'der' });
    this.#keyId = createHash('sha256').update(der).digest('base64url');
  }

  get algorithm(): 'ES256' | 'RS256' {
    return this.#algorithm;
  }

  sign(claims: JwtClaims): string {
    const header = encode({ alg: this.#algorithm, kid: this.#keyId });
    const signed = `${header}.${encode(claims)}`;
    const signature = sign('sha256', Buffer.from(signed), { key: this.#privateKey, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  }

  /** The claims of a token that this key signed; undefined for any other text. Times are for the caller to check. */
  verify(token: string): JwtClaims | undefined {
    const [header = '', payload = '', signature = '', ...rest] = token.split('.');
    if (rest.length > 0 || signature === '') return undefined;
    if (decode(header)?.['alg'] !== this.#algorithm) return undefined;
    const key = { key: this.#publicKey, dsaEncoding: 'ieee-p1363' as const };
    const good = verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'));
    return good ? decode(payload) : undefined;
  }

  jwks(): JsonWebKeySet {
    const key: Record<string, unknown> = { ...this.#publicKey.export({ format: 'jwk' }) };
    return { keys: [{ use: 'sig', kid: this.#keyId, alg: this.#algorithm, ...key }] };
  }
}

/** The claims of a token, unchecked: to see whose it claims to be before asking for a key. */
export function peekClaims(token: string): JwtClaims | undefined {
  const parts = token.split('.');
  return parts.length === 3 ? decode(parts[1] ?? '') : undefined;
}

function algorithmOf(key: KeyObject): 'ES256' | 'RS256' {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256';
  throw new TypeError('service account tokens need an RSA or a P-256 key');
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(part: string): JwtClaims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as JwtClaims) : undefined;
  } catch {
    return undefined; // Not JSON: no token of ours.
  }
}
