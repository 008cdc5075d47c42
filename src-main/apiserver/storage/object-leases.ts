import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { EtcdClient, LeaseId } from '#etcd/client';

/** Objects on one lease go together; upstream's bounds on how many and over what time (`lease_manager.go`, release 1.36). */
const maxObjects = 1_000;
const reuseMs = 60_000;

interface Lease {
  readonly id: LeaseId;
  readonly reusableUntilMs: number;
  objects: number;
}

/** Leases for objects that expire by themselves (Events), shared by those written within a minute. */
export class ObjectLeases {
  readonly #etcd: EtcdClient;
  readonly #clock: Clock;
  readonly #byTtl = new Map<number, Promise<Lease>>();

  constructor(etcd: EtcdClient, clock: Clock) {
    this.#etcd = etcd;
    this.#clock = clock;
  }

  /** A lease that lasts at least `ttlSeconds` from now, and at most a minute longer. */
  async leaseFor(context: Context, ttlSeconds: number): Promise<LeaseId> {
    const current = await this.#byTtl.get(ttlSeconds)?.catch(() => undefined);
    if (current && current.objects < maxObjects && this.#clock.now() < current.reusableUntilMs) {
      current.objects++;
      return current.id;
    }
    const fresh = this.#grant(context, ttlSeconds);
    this.#byTtl.set(ttlSeconds, fresh);
    return (await fresh).id;
  }

  async #grant(context: Context, ttlSeconds: number): Promise<Lease> {
    const { id } = await this.#etcd.leaseGrant(context, ttlSeconds + reuseMs / 1000);
    return { id, reusableUntilMs: this.#clock.now() + reuseMs, objects: 1 };
  }
}
