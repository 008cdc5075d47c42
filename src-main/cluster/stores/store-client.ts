import type { Context } from '#base/context';
import {
  EtcdError,
  type EtcdClient,
  type LeaseId,
  type LeaseStatus,
  type RangeRequest,
  type Revision,
  type StoreStatus,
  type TxnRequest,
  type Watcher,
  type WatchRequest,
} from '#etcd/client';

/**
 * The store as the API server knows it: one address, whoever answers there. Calls throw UNAVAILABLE while no store is open,
 * as a refused connection would, and reach the next one when it is.
 */
export class StoreClient implements EtcdClient {
  readonly #current: () => EtcdClient | undefined;

  constructor(current: () => EtcdClient | undefined) {
    this.#current = current;
  }

  async range(context: Context, request: RangeRequest): ReturnType<EtcdClient['range']> {
    return this.#open().range(context, request);
  }

  async txn(context: Context, request: TxnRequest): ReturnType<EtcdClient['txn']> {
    return this.#open().txn(context, request);
  }

  watch(context: Context, request: WatchRequest): Watcher {
    return this.#open().watch(context, request);
  }

  async compact(context: Context, revision: Revision, options?: { readonly physical?: boolean }): Promise<void> {
    return this.#open().compact(context, revision, options);
  }

  async leaseGrant(context: Context, ttlSeconds: number, id?: LeaseId): Promise<LeaseStatus> {
    return this.#open().leaseGrant(context, ttlSeconds, id);
  }

  async leaseKeepAlive(context: Context, id: LeaseId): Promise<LeaseStatus> {
    return this.#open().leaseKeepAlive(context, id);
  }

  async leaseRevoke(context: Context, id: LeaseId): Promise<void> {
    return this.#open().leaseRevoke(context, id);
  }

  async leaseTimeToLive(context: Context, id: LeaseId): Promise<LeaseStatus> {
    return this.#open().leaseTimeToLive(context, id);
  }

  async leases(context: Context): Promise<readonly LeaseId[]> {
    return this.#open().leases(context);
  }

  async records(context: Context, from: Revision, to: Revision): ReturnType<EtcdClient['records']> {
    return this.#open().records(context, from, to);
  }

  async status(context: Context): Promise<StoreStatus> {
    return this.#open().status(context);
  }

  #open(): EtcdClient {
    const current = this.#current();
    if (!current) throw new EtcdError('UNAVAILABLE', 'etcd is not running');
    return current;
  }
}
