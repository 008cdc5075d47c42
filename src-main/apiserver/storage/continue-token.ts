import { badRequest } from './errors.ts';

/**
 * Where a paged list goes on: which key comes next, and the revision of the first page, so that all pages show one moment.
 * The wire form is upstream's (`k8s.io/apiserver/pkg/storage`, release 1.36): base64url of
 * `{"v":"meta.k8s.io/v1","rv":<revision>,"start":"<rest of the key after the prefix>"}`.
 */
export interface ContinueToken {
  readonly revision: number;
  readonly startKey: string;
}

export function encodeContinue(token: ContinueToken, keyPrefix: string): string {
  const start = token.startKey.slice(keyPrefix.length);
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: token.revision, start })).toString('base64url');
}

/** Throws BadRequest for anything {@link encodeContinue} cannot have made. */
export function decodeContinue(text: string, keyPrefix: string): ContinueToken {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch (error) {
    throw badRequest(`continue key is not valid: ${error instanceof Error ? error.message : 'not JSON'}`);
  }
  if (typeof parsed !== 'object' || parsed === null) throw badRequest('continue key is not valid: not an object');
  const { v, rv, start } = parsed as { v?: unknown; rv?: unknown; start?: unknown };
  if (v !== 'meta.k8s.io/v1') {
    throw badRequest(`continue key is not valid: server does not recognize this encoded version ${JSON.stringify(v)}`);
  }
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv <= 0) {
    throw badRequest('continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
  }
  if (typeof start !== 'string' || start === '' || start.startsWith('/') || start.includes('..')) {
    throw badRequest('continue key is not valid: encoded start key empty (version meta.k8s.io/v1)');
  }
  return { revision: rv, startKey: keyPrefix + start };
}
