import type { Clock } from '#base/clock';
import type { Disposable } from '#base/disposable';
import { EtcdError, noLease, type LeaseId, type LeaseStatus } from '../client.ts';
import { fromByteString, type ByteString } from '../byte-string.ts';
import type { LeaseKeys } from '../mvcc/store.ts';
import { leaseNotFound } from '../mvcc/txn.ts';

interface Lease {
  readonly id: LeaseId;
  readonly ttlSeconds: number;
  readonly keys: Set<ByteString>;
  expiresMs: number;
}

/** etcd's bounds: one and a half election timeouts, and nine thousand million seconds. */
const minTtlSeconds = 2;
const maxTtlSeconds = 9_000_000_000;

/**
 * Leases and the keys that hang on them, after etcd's `server/lease/lessor.go` (3.6). Only the granted time to live is on
 * disk: a lease gets all of it again when the store is opened, as in etcd after a restart.
 */
export class Lessor implements LeaseKeys {
  readonly #clock: Clock;
  readonly #onExpired: (id: LeaseId) => void;
  readonly #leases = new Map<LeaseId, Lease>();
  #timer: Disposable | undefined;
  #timerDueMs = Infinity;
  #stopped = true;

  /** `onExpired` must revoke the lease: remove it at once, and restore it should that fail. */
  constructor(clock: Clock, onExpired: (id: LeaseId) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** The one that ends first comes first. */
  get ids(): LeaseId[] {
    const byEnd = [...this.#leases.values()].sort((a, b) => a.expiresMs - b.expiresMs || (a.id < b.id ? -1 : 1));
    return byEnd.map((lease) => lease.id);
  }

  /** From here on leases run out. */
  start(): void {
    this.#stopped = false;
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.dispose();
    this.#timer = undefined;
  }

  /** The seconds a grant of `ttlSeconds` gives. Throws EtcdError. */
  checkGrant(id: LeaseId, ttlSeconds: number): number {
    if (id === noLease) throw leaseNotFound();
    if (ttlSeconds > maxTtlSeconds) throw new EtcdError('INVALID_ARGUMENT', 'etcdserver: too large lease TTL');
    if (this.#leases.has(id)) throw new EtcdError('LEASE_EXISTS', 'etcdserver: lease already exists');
    return Math.max(minTtlSeconds, Math.ceil(ttlSeconds));
  }

  add(id: LeaseId, ttlSeconds: number): LeaseStatus {
    const lease = { id, ttlSeconds, keys: new Set<ByteString>(), expiresMs: this.#clock.now() + ttlSeconds * 1000 };
    this.#leases.set(id, lease);
    this.#arm();
    return this.status(id);
  }

  remove(id: LeaseId): void {
    this.#leases.delete(id);
    this.#arm();
  }

  /** Puts back a lease whose removal did not get onto the disk. An expired one is tried again after a second. */
  restore(lease: Lease): void {
    lease.expiresMs = Math.max(lease.expiresMs, this.#clock.now() + 1000);
    this.#leases.set(lease.id, lease);
    this.#arm();
  }

  require(id: LeaseId): Lease {
    const lease = this.#leases.get(id);
    if (!lease) throw leaseNotFound();
    return lease;
  }

  keepAlive(id: LeaseId): LeaseStatus {
    const lease = this.require(id);
    // Too late: it is being revoked.
    if (lease.expiresMs <= this.#clock.now()) throw leaseNotFound();
    lease.expiresMs = this.#clock.now() + lease.ttlSeconds * 1000;
    return this.status(id);
  }

  /** `remainingTtlSeconds` is -1 for a lease that is gone. */
  status(id: LeaseId): LeaseStatus {
    const lease = this.#leases.get(id);
    if (!lease) return { id, grantedTtlSeconds: 0, remainingTtlSeconds: -1, keys: [] };
    const remainingTtlSeconds = Math.max(0, Math.floor((lease.expiresMs - this.#clock.now()) / 1000));
    return {
      id,
      grantedTtlSeconds: lease.ttlSeconds,
      remainingTtlSeconds,
      keys: [...lease.keys].sort().map(fromByteString),
    };
  }

  has(id: LeaseId): boolean {
    return this.#leases.has(id);
  }

  move(key: ByteString, from: LeaseId, to: LeaseId): void {
    this.#leases.get(from)?.keys.delete(key);
    this.#leases.get(to)?.keys.add(key);
  }

  /** Sets the timer to the next expiry. There are few leases: the API server shares one among many events. */
  #arm(): void {
    if (this.#stopped) return;
    let dueMs = Infinity;
    for (const lease of this.#leases.values()) dueMs = Math.min(dueMs, lease.expiresMs);
    if (dueMs === this.#timerDueMs && this.#timer) return;
    this.#timer?.dispose();
    this.#timer = undefined;
    this.#timerDueMs = dueMs;
    if (dueMs === Infinity) return;
    this.#timer = this.#clock.setTimer(Math.max(0, dueMs - this.#clock.now()), () => this.#fire());
  }

  #fire(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.now();
    const due = [...this.#leases.values()].filter((lease) => lease.expiresMs <= nowMs);
    for (const lease of due) this.#onExpired(lease.id);
    this.#arm();
  }
}
