import type { Context } from '#base/context';
import { decodeKey, encodeKey } from '../../byte-string.ts';
import type { EtcdClient } from '../../client.ts';
import { header, tableCodec, unary, type Identity, type Served } from '../call.ts';
import type { LockMessage, UnlockMessage } from '../messages.ts';
import { methods } from '../methods.ts';
import { leaseFor, lineUp, waitForTurn } from './queue.ts';

/** etcd's Lock service (`v3lock`, 3.6): a lock is held as long as its key lives, which ends with the caller's lease. */
export class LockService {
  readonly #etcd: EtcdClient;
  readonly #identity: Identity;

  constructor(etcd: EtcdClient, identity: Identity) {
    this.#etcd = etcd;
    this.#identity = identity;
  }

  served(): Served[] {
    const { lock, unlock } = methods.lock;
    return [
      unary(lock, tableCodec<LockMessage>(lock), (context, message) => this.#lock(context, message)),
      unary(unlock, tableCodec<UnlockMessage>(unlock), (context, message) => this.#unlock(context, message)),
    ];
  }

  async #lock(context: Context, message: LockMessage): Promise<object> {
    const name = decodeKey(message.name);
    const lease = await leaseFor(this.#etcd, context, BigInt(message.lease));
    const place = await lineUp(this.#etcd, context, { name, lease, value: new Uint8Array(0) });
    const revision = await waitForTurn(this.#etcd, context, name, place);
    return { header: header(this.#identity, revision), key: encodeKey(place.key) };
  }

  async #unlock(context: Context, message: UnlockMessage): Promise<object> {
    const answer = await this.#etcd.txn(context, {
      compare: [],
      success: [{ type: 'delete', key: decodeKey(message.key) }],
      failure: [],
    });
    return { header: header(this.#identity, answer.revision) };
  }
}
