import { timingSafeEqual } from 'node:crypto';
import type { Secret } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { unauthorized, type TokenAuthenticator, type TokenIdentity } from './authenticator.ts';
import type { ObjectReader } from './object-reader.ts';

const tokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const groupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/**
 * Bootstrap tokens: Secrets of type `bootstrap.kubernetes.io/token` in kube-system, which let a machine without a certificate
 * ask for one (plugin/pkg/auth/authenticator/token/bootstrap, release 1.36).
 */
export class BootstrapTokens implements TokenAuthenticator {
  readonly #objects: ObjectReader;
  readonly #clock: Clock;

  constructor(objects: ObjectReader, clock: Clock) {
    this.#objects = objects;
    this.#clock = clock;
  }

  async authenticateToken(_context: Context, token: string): Promise<TokenIdentity | undefined> {
    const [, id, secret] = tokenPattern.exec(token) ?? [];
    if (id === undefined || secret === undefined) return undefined;
    const found = this.#objects.get('', 'secrets', 'kube-system', `bootstrap-token-${id}`);
    const groups = found ? this.#groupsOf(found as Secret & KubeObject, id, secret) : undefined;
    if (!groups) throw unauthorized();
    return { user: { name: `system:bootstrap:${id}`, groups }, audiences: [] };
  }

  /** The groups the token stands for; undefined when it is not good (any more). */
  #groupsOf({ metadata, type, data }: Secret & KubeObject, id: string, secret: string): readonly string[] | undefined {
    const text = (key: string): string => Buffer.from(data?.[key] ?? '', 'base64').toString();
    if (metadata.deletionTimestamp !== undefined || type !== 'bootstrap.kubernetes.io/token') return undefined;
    if (!sameText(text('token-secret'), secret) || text('token-id') !== id) return undefined;
    if (text('usage-bootstrap-authentication') !== 'true') return undefined;
    const expiration = text('expiration');
    // A time that cannot be read counts as one that has passed.
    if (expiration !== '' && !(Date.parse(expiration) > this.#clock.now())) return undefined;
    const extra = text('auth-extra-groups').split(',').filter(Boolean);
    return extra.every((group) => groupPattern.test(group)) ? ['system:bootstrappers', ...extra] : undefined;
  }
}

function sameText(known: string, given: string): boolean {
  const [a, b] = [Buffer.from(known), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
