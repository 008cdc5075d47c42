import { status } from '@grpc/grpc-js';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { EtcdError, type LeaseId, type LeaseStatus } from '../client.ts';
import { decodeKey } from '../byte-string.ts';
import { CallError, type Connection } from './connection.ts';
import { fromLease, toLease } from './convert.ts';
import { methods, type LeaseAnswer, type LeasesAnswer } from './methods.ts';
import type { EndpointPool } from './pool.ts';

/** etcd's Lease service. */
export class RemoteLeases {
  readonly #pool: EndpointPool;
  readonly #clock: Clock;

  constructor(pool: EndpointPool, clock: Clock) {
    this.#pool = pool;
    this.#clock = clock;
  }

  async grant(context: Context, ttlSeconds: number, id: LeaseId | undefined): Promise<LeaseStatus> {
    const message = { TTL: Math.ceil(ttlSeconds), ID: fromLease(id) };
    const answer = await this.#pool.call<LeaseAnswer>(context, methods.leaseGrant, message, { kind: 'write' });
    return toStatus(answer, Number(answer.TTL));
  }

  /** The keys are not told: {@link timeToLive} does. */
  async keepAlive(context: Context, id: LeaseId): Promise<LeaseStatus> {
    const answer = await this.#pool.run(context, { kind: 'read' }, (connection, timeoutMs) =>
      this.#keepAliveOnce(context, connection, id, timeoutMs),
    );
    const ttl = Number(answer.TTL);
    if (ttl <= 0) throw new EtcdError('LEASE_NOT_FOUND', 'etcdserver: requested lease not found');
    return toStatus(answer, ttl);
  }

  async revoke(context: Context, id: LeaseId): Promise<void> {
    await this.#pool.call(context, methods.leaseRevoke, { ID: fromLease(id) }, { kind: 'write' });
  }

  async timeToLive(context: Context, id: LeaseId): Promise<LeaseStatus> {
    const message = { ID: fromLease(id), keys: true };
    const answer = await this.#pool.call<LeaseAnswer>(context, methods.leaseTimeToLive, message, { kind: 'read' });
    return toStatus(answer, Number(answer.grantedTTL ?? 0));
  }

  async list(context: Context): Promise<readonly LeaseId[]> {
    const answer = await this.#pool.call<LeasesAnswer>(context, methods.leases, {}, { kind: 'read' });
    return answer.leases.map(({ ID: id }) => toLease(id));
  }

  /** The method is a stream; each renewal takes one of its own, so that it can be tried at another member. */
  async #keepAliveOnce(context: Context, connection: Connection, id: LeaseId, timeoutMs: number): Promise<LeaseAnswer> {
    const bounded = context.withTimeout(this.#clock, timeoutMs);
    try {
      const message = { ID: fromLease(id) };
      const answers = connection.stream<LeaseAnswer>(bounded.context, methods.leaseKeepAlive, message, {
        requireLeader: true,
      });
      for await (const answer of answers) return answer;
      context.check();
      const details = `no answer within ${timeoutMs / 1000} s`;
      throw new CallError({ code: status.DEADLINE_EXCEEDED, details }, connection.endpoint);
    } finally {
      bounded.cancel();
    }
  }
}

function toStatus(answer: LeaseAnswer, grantedTtlSeconds: number): LeaseStatus {
  const keys = (answer.keys ?? []).map((key) => decodeKey(key));
  return { id: toLease(answer.ID), grantedTtlSeconds, remainingTtlSeconds: Number(answer.TTL), keys };
}
