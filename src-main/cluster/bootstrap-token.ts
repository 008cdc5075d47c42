import type { Secret } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import { formatTime, type Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { KubeClient } from '#client/client';
import { secrets } from '#client/resources';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readTextFile, writeFileAtomic } from './files.ts';

const lifetimeMs = 24 * 3_600_000;
const namespace = 'kube-system';

/**
 * The token machines join a lab with, as `kubeadm token create` makes it (kubeadm, release 1.36). One a lab, kept in its
 * keys' folder: a machine that was told it once needs not be told again. The API server takes it for a day from `offer`.
 */
export class BootstrapToken {
  readonly #path: string;
  readonly #clock: Clock;

  constructor(pkiFolder: string, clock: Clock) {
    this.#path = join(pkiFolder, 'bootstrap-token');
    this.#clock = clock;
  }

  /** Makes the API server accept the token for another day. Returns `id.secret`. */
  async offer(context: Context, client: KubeClient): Promise<string> {
    const token = this.#token();
    const [id = '', secret = ''] = token.split('.');
    const resource = client.resource<Secret>(secrets);
    const draft: Secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: `bootstrap-token-${id}`, namespace },
      type: 'bootstrap.kubernetes.io/token',
      stringData: {
        'token-id': id,
        'token-secret': secret,
        'usage-bootstrap-authentication': 'true',
        'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
        description: 'Machines of this lab join with it.',
        expiration: formatTime(this.#clock.now() + lifetimeMs),
      },
    };
    try {
      await resource.create(context, draft);
    } catch (error) {
      if (!isStatus(error, 'AlreadyExists')) throw error;
      await resource.patch(context, namespace, `bootstrap-token-${id}`, 'merge', { stringData: draft.stringData });
    }
    return token;
  }

  #token(): string {
    const known = readTextFile(this.#path)?.trim();
    if (known && /^[a-z0-9]{6}\.[a-z0-9]{16}$/.test(known)) return known;
    const fresh = `${randomBytes(3).toString('hex')}.${randomBytes(8).toString('hex')}`;
    writeFileAtomic(this.#path, `${fresh}\n`);
    return fresh;
  }
}
