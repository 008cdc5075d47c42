import { randomUUID } from 'node:crypto';
import type { AuthenticationV1TokenRequest, BoundObjectReference, Pod } from '#api/gen/types';
import { type Clock, formatTime } from '#base/clock';
import type { Context } from '#base/context';
import { deepFreeze } from '#base/freeze';
import type { KubeObject } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import { invalid, invalidError } from '#api/validation/errors';
import type { UserInfo } from '../request.ts';
import { type TokenAuthenticator, type TokenIdentity, unauthorized } from './authenticator.ts';
import { type JwtKey, peekClaims } from './jwt.ts';
import type { ObjectReader } from './object-reader.ts';
import {
  type BoundReference,
  decodeClaims,
  encodeClaims,
  type ServiceAccountClaims,
} from './service-account-claims.ts';
import { serviceAccountGroups, serviceAccountUsername } from './service-account-name.ts';

/** What the issuer is called in a cluster whose domain is `cluster.local`, as kubeadm sets it. */
export const defaultIssuer = 'https://kubernetes.default.svc.cluster.local';

const defaultSeconds = 3600;
const minSeconds = 600;
const maxSeconds = 2 ** 32;
/** Tokens whose signature was checked are remembered: checking it again for every request would cost more than the request. */
const rememberedTokens = 2048;
const extraPrefix = 'authentication.kubernetes.io/';

export interface ServiceAccountTokensOptions {
  readonly key: JwtKey;
  readonly issuer: string;
  readonly objects: ObjectReader;
  /** Resolves when `objects` has everything of a core resource that was stored before the call. */
  readonly catchUp: (context: Context, resource: string) => Promise<void>;
  readonly clock: Clock;
}

/**
 * Bound service account tokens (`pkg/serviceaccount`, release 1.36): issued by TokenRequest, good until they expire or until
 * the service account, or the pod, secret or node they are bound to, is gone.
 */
export class ServiceAccountTokens implements TokenAuthenticator {
  readonly #options: ServiceAccountTokensOptions;
  readonly #checked = new Map<string, ServiceAccountClaims>();

  constructor(options: ServiceAccountTokensOptions) {
    this.#options = options;
  }

  get audiences(): readonly string[] {
    return [this.#options.issuer];
  }

  async authenticateToken(context: Context, token: string): Promise<TokenIdentity | undefined> {
    if (peekClaims(token)?.['iss'] !== this.#options.issuer) return undefined;
    const claims = this.#check(token);
    if (!claims) throw unauthorized();
    const nowSeconds = this.#options.clock.now() / 1000;
    if (claims.expiresAt < nowSeconds || claims.notBefore > nowSeconds + 1) throw unauthorized();
    if (!this.#stillThere(claims) && !(await this.#isThereNow(context, claims))) throw unauthorized();
    return { user: userOf(claims), audiences: claims.audiences };
  }

  /** Answers a TokenRequest for `serviceAccount`. Throws StatusError: Invalid, NotFound, Conflict, BadRequest. */
  async issue(context: Context, serviceAccount: KubeObject, request: KubeObject): Promise<KubeObject> {
    const { issuer, key, clock } = this.#options;
    const spec = (request as AuthenticationV1TokenRequest).spec ?? {};
    const seconds = spec.expirationSeconds ?? defaultSeconds;
    checkDuration(seconds);
    const { name = '', namespace = '', uid = '' } = serviceAccount.metadata;
    const audiences = spec.audiences && spec.audiences.length > 0 ? spec.audiences : this.audiences;
    const notBefore = Math.floor(clock.now() / 1000);
    const claims: ServiceAccountClaims = {
      ...{ issuer, audiences, namespace, notBefore, expiresAt: notBefore + seconds, id: randomUUID() },
      serviceAccount: { name, uid },
      ...(spec.boundObjectRef ? await this.#bound(context, spec.boundObjectRef, namespace, name) : {}),
    };
    const token = key.sign(encodeClaims(claims, serviceAccountUsername(namespace, name)));
    return deepFreeze({
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { name, namespace, creationTimestamp: formatTime(clock.now()) },
      spec: {
        audiences,
        expirationSeconds: seconds,
        ...(spec.boundObjectRef ? { boundObjectRef: spec.boundObjectRef } : { boundObjectRef: null }),
      },
      status: { token, expirationTimestamp: formatTime(claims.expiresAt * 1000) },
    });
  }

  #check(token: string): ServiceAccountClaims | undefined {
    const known = this.#checked.get(token);
    if (known) return known;
    const verified = this.#options.key.verify(token);
    const claims = verified && decodeClaims(verified);
    if (!claims) return undefined;
    if (this.#checked.size >= rememberedTokens) this.#checked.clear();
    this.#checked.set(token, claims);
    return claims;
  }

  #stillThere({ namespace, serviceAccount, pod, secret }: ServiceAccountClaims): boolean {
    const lives = (resource: string, reference: BoundReference | undefined): boolean => {
      if (!reference) return true;
      const found = this.#options.objects.get('', resource, namespace, reference.name);
      return found !== undefined && (found.metadata.uid ?? '') === reference.uid;
    };
    return lives('serviceaccounts', serviceAccount) && lives('pods', pod) && lives('secrets', secret);
  }

  /** Another server may have issued the token for something that this one has not heard of yet. */
  async #isThereNow(context: Context, claims: ServiceAccountClaims): Promise<boolean> {
    const { pod, secret } = claims;
    const resources = ['serviceaccounts', ...(pod ? ['pods'] : []), ...(secret ? ['secrets'] : [])];
    await Promise.all(resources.map((resource) => this.#options.catchUp(context, resource)));
    return this.#stillThere(claims);
  }

  async #bound(
    context: Context,
    reference: BoundObjectReference,
    namespace: string,
    account: string,
  ): Promise<Pick<ServiceAccountClaims, 'pod' | 'secret' | 'node'>> {
    const { kind = '', name = '' } = reference;
    const resource = { Pod: 'pods', Secret: 'secrets', Node: 'nodes' }[kind];
    if (!resource) throw new StatusError('BadRequest', `cannot bind token to object of type /v1, Kind=${kind}`);
    const look = (): KubeObject | undefined =>
      this.#options.objects.get('', resource, kind === 'Node' ? '' : namespace, name);
    if (!look()) await this.#options.catchUp(context, resource);
    const found = look();
    if (!found)
      throw new StatusError('NotFound', `${resource} ${JSON.stringify(name)} not found`, { name, kind: resource });
    const uid = found.metadata.uid ?? '';
    if (reference.uid && reference.uid !== uid) throw replaced(resource, name, reference.uid);
    if (kind === 'Secret') return { secret: { name, uid } };
    if (kind === 'Node') return { node: { name, uid } };
    const { serviceAccountName = 'default', nodeName } = (found as KubeObject & Pod).spec;
    if (serviceAccountName !== account) {
      const text = `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`;
      throw new StatusError('BadRequest', text);
    }
    return { pod: { name, uid }, ...(nodeName ? { node: this.#node(nodeName) } : {}) };
  }

  #node(name: string): { name: string; uid?: string } {
    const uid = this.#options.objects.get('', 'nodes', '', name)?.metadata.uid;
    return uid ? { name, uid } : { name };
  }
}

function checkDuration(seconds: number): void {
  const detail =
    seconds < minSeconds
      ? 'may not specify a duration less than 10 minutes'
      : seconds > maxSeconds
        ? 'may not specify a duration larger than 2^32 seconds'
        : '';
  if (!detail) return;
  const kind = { group: 'authentication.k8s.io', kind: 'TokenRequest' };
  throw invalidError(kind, '', [invalid('spec.expirationSeconds', seconds, detail)]);
}

function replaced(resource: string, name: string, uid: string): StatusError {
  const text = `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`;
  const message = `Operation cannot be fulfilled on ${resource} ${JSON.stringify(name)}: ${text}`;
  return new StatusError('Conflict', message, { name, kind: resource });
}

function userOf({ id, namespace, serviceAccount, pod, node }: ServiceAccountClaims): UserInfo {
  const extra: Record<string, readonly string[]> = {};
  const put = (key: string, value: string | undefined): void => {
    if (value) extra[extraPrefix + key] = [value];
  };
  put('credential-id', id && `JTI=${id}`);
  put('node-name', node?.name);
  put('node-uid', node?.uid);
  put('pod-name', pod?.name);
  put('pod-uid', pod?.uid);
  return {
    name: serviceAccountUsername(namespace, serviceAccount.name),
    uid: serviceAccount.uid,
    groups: serviceAccountGroups(namespace),
    extra,
  };
}
