import type { Context } from '#base/context';
import { EtcdError, type EtcdClient } from '../client.ts';
import { encodeKey } from '../byte-string.ts';
import {
  currentRevision,
  header,
  stream,
  tableCodec,
  unary,
  type HeaderMessage,
  type Identity,
  type Served,
} from './call.ts';
import { toNumber } from './convert.ts';
import type { LeaseGrantMessage, LeaseMessage, LeaseTimeToLiveMessage } from './messages.ts';
import { methods } from './methods.ts';

/** etcd's Lease service. */
export class LeaseService {
  readonly #etcd: EtcdClient;
  readonly #identity: Identity;

  constructor(etcd: EtcdClient, identity: Identity) {
    this.#etcd = etcd;
    this.#identity = identity;
  }

  served(): Served[] {
    const { grant, revoke, keepAlive, timeToLive, leases } = methods.lease;
    return [
      unary(grant, tableCodec<LeaseGrantMessage>(grant), (context, message) => this.#grant(context, message)),
      unary(revoke, tableCodec<LeaseMessage>(revoke), (context, message) => this.#revoke(context, message)),
      stream(keepAlive, tableCodec<LeaseMessage>(keepAlive), ({ context, send }) => ({
        receive: async (message) => send(await this.#keepAlive(context, message)),
      })),
      unary(timeToLive, tableCodec<LeaseTimeToLiveMessage>(timeToLive), (context, message) =>
        this.#timeToLive(context, message),
      ),
      unary(leases, tableCodec(leases), (context) => this.#leases(context)),
    ];
  }

  async #grant(context: Context, message: LeaseGrantMessage): Promise<object> {
    const lease = await this.#etcd.leaseGrant(context, toNumber(message.TTL), BigInt(message.ID));
    return { ...(await this.#header(context)), ID: String(lease.id), TTL: lease.grantedTtlSeconds };
  }

  async #revoke(context: Context, message: LeaseMessage): Promise<object> {
    await this.#etcd.leaseRevoke(context, BigInt(message.ID));
    return this.#header(context);
  }

  /** A time to live of 0 tells that the lease is gone. */
  async #keepAlive(context: Context, message: LeaseMessage): Promise<object> {
    const id = BigInt(message.ID);
    let seconds = 0;
    try {
      seconds = (await this.#etcd.leaseKeepAlive(context, id)).grantedTtlSeconds;
    } catch (error) {
      if (!(error instanceof EtcdError) || error.code !== 'LEASE_NOT_FOUND') throw error;
    }
    return { ...(await this.#header(context)), ID: message.ID, TTL: seconds };
  }

  async #timeToLive(context: Context, message: LeaseTimeToLiveMessage): Promise<object> {
    const lease = await this.#etcd.leaseTimeToLive(context, BigInt(message.ID));
    return {
      ...(await this.#header(context)),
      ID: message.ID,
      TTL: lease.remainingTtlSeconds,
      grantedTTL: lease.grantedTtlSeconds,
      keys: message.keys ? lease.keys.map(encodeKey) : [],
    };
  }

  async #leases(context: Context): Promise<object> {
    const ids = await this.#etcd.leases(context);
    return { ...(await this.#header(context)), leases: ids.map((id) => ({ ID: String(id) })) };
  }

  async #header(context: Context): Promise<{ header: HeaderMessage }> {
    return { header: header(this.#identity, await currentRevision(this.#etcd, context)) };
  }
}
