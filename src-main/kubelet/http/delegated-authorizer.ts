import type { SubjectAccessReview } from '#api/gen/types';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { KubeClient } from '#client/client';

const subjectAccessReviews = { group: 'authorization.k8s.io', version: 'v1', resource: 'subjectaccessreviews' };

/** Who asks, by the client certificate. */
export interface KubeletUser {
  readonly name: string;
  readonly groups: readonly string[];
}

/** How long answers are believed: `webhook.cacheAuthorizedTTL` and `cacheUnauthorizedTTL` of KubeletConfiguration. */
const allowedTtlMs = 300_000;
const deniedTtlMs = 30_000;
const maxCached = 1_000;

/** Lets the API server decide who may ask this kubelet what (authorization mode `Webhook`, release 1.36). */
export class DelegatedAuthorizer {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #nodeName: string;
  readonly #cache = new Map<string, { readonly allowed: boolean; readonly untilMs: number }>();

  constructor(client: KubeClient, clock: Clock, nodeName: string) {
    this.#client = client;
    this.#clock = clock;
    this.#nodeName = nodeName;
  }

  /** Whether `user` may `verb` one of `subresources` of this node. Throws StatusError when the API server cannot say. */
  async authorize(
    context: Context,
    user: KubeletUser,
    verb: string,
    subresources: readonly string[],
  ): Promise<boolean> {
    for (const subresource of subresources) if (await this.#allows(context, user, verb, subresource)) return true;
    return false;
  }

  async #allows(context: Context, user: KubeletUser, verb: string, subresource: string): Promise<boolean> {
    const key = JSON.stringify([user.name, user.groups, verb, subresource]);
    const held = this.#cache.get(key);
    if (held && this.#clock.now() < held.untilMs) return held.allowed;
    const review: SubjectAccessReview = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: {
        user: user.name,
        groups: [...user.groups],
        resourceAttributes: { verb, resource: 'nodes', subresource, version: 'v1', name: this.#nodeName },
      },
    };
    const reviews = this.#client.resource<SubjectAccessReview>(subjectAccessReviews);
    const allowed = (await reviews.create(context, review)).status?.allowed === true;
    if (this.#cache.size >= maxCached) this.#cache.clear();
    this.#cache.set(key, { allowed, untilMs: this.#clock.now() + (allowed ? allowedTtlMs : deniedTtlMs) });
    return allowed;
  }
}

const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** The attributes of a request (pkg/kubelet/server/auth.go, release 1.36): what is asked for first is the finest. */
export function attributesOf(method: string, path: string): { verb: string; subresources: readonly string[] } {
  const [first = ''] = path.split('/').filter(Boolean);
  const fine: Readonly<Record<string, readonly string[]>> = {
    stats: ['stats'],
    metrics: ['metrics'],
    logs: ['log'],
    healthz: ['healthz', 'proxy'],
    pods: ['pods', 'proxy'],
  };
  return { verb: verbs[method] ?? 'get', subresources: fine[first] ?? ['proxy'] };
}
