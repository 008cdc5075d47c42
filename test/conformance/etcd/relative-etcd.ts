import type { Context } from '#base/context';
import type {
  EtcdClient,
  LeaseId,
  LeaseStatus,
  RangeRequest,
  RangeResponse,
  Revision,
  StoreStatus,
  TxnRequest,
  TxnResponse,
  Watcher,
  WatchRequest,
  WatchResponse,
} from '#etcd/client';

const revisionFields: ReadonlySet<string> = new Set([
  ...['revision', 'createRevision', 'modRevision', 'startRevision', 'compactRevision'],
  ...['minModRevision', 'maxModRevision', 'minCreateRevision', 'maxCreateRevision'],
]);

/** Adds `by` to every revision inside `value`; 0 and less are no revisions. */
function shifted<T>(value: T, by: number): T {
  if (Array.isArray(value)) return value.map((item: unknown) => shifted(item, by)) as T;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const entries = Object.entries(value).map(([key, item]: [string, unknown]) => [
    key,
    revisionFields.has(key) && typeof item === 'number' && item > 0 ? item + by : shifted(item, by),
  ]);
  return Object.fromEntries(entries) as T;
}

/**
 * A store that has served other tests, as if it were new: what was there was deleted, and the revision at which it was is
 * called 1. A whole real etcd for every test would take most of the suite's time.
 */
export class RelativeEtcd implements EtcdClient {
  readonly #etcd: EtcdClient;
  readonly #by: number;

  private constructor(etcd: EtcdClient, by: number) {
    this.#etcd = etcd;
    this.#by = by;
  }

  static async wipe(context: Context, etcd: EtcdClient): Promise<RelativeEtcd> {
    for (const id of await etcd.leases(context)) await etcd.leaseRevoke(context, id);
    const all = { type: 'delete', key: '\0', rangeEnd: '\0' } as const;
    const { revision } = await etcd.txn(context, { compare: [], success: [all], failure: [] });
    return new RelativeEtcd(etcd, revision - 1);
  }

  async range(context: Context, request: RangeRequest): Promise<RangeResponse> {
    return this.#from(await this.#etcd.range(context, this.#to(request)));
  }

  async txn(context: Context, request: TxnRequest): Promise<TxnResponse> {
    return this.#from(await this.#etcd.txn(context, this.#to(request)));
  }

  watch(context: Context, request: WatchRequest): Watcher {
    const watcher = this.#etcd.watch(context, this.#to(request));
    const { responses } = watcher;
    const from = (response: WatchResponse): WatchResponse => this.#from(response);
    async function* relative(): AsyncGenerator<WatchResponse> {
      for await (const response of responses) yield from(response);
    }
    return {
      responses: relative(),
      requestProgress: () => watcher.requestProgress(),
      close: () => watcher.close(),
    };
  }

  compact(context: Context, at: Revision, options?: { readonly physical?: boolean }): Promise<void> {
    return this.#etcd.compact(context, this.#to({ revision: at }).revision, options);
  }

  leaseGrant(context: Context, ttlSeconds: number, id?: LeaseId): Promise<LeaseStatus> {
    return this.#etcd.leaseGrant(context, ttlSeconds, id);
  }
  leaseKeepAlive(context: Context, id: LeaseId): Promise<LeaseStatus> {
    return this.#etcd.leaseKeepAlive(context, id);
  }
  leaseRevoke(context: Context, id: LeaseId): Promise<void> {
    return this.#etcd.leaseRevoke(context, id);
  }
  leaseTimeToLive(context: Context, id: LeaseId): Promise<LeaseStatus> {
    return this.#etcd.leaseTimeToLive(context, id);
  }
  leases(context: Context): Promise<readonly LeaseId[]> {
    return this.#etcd.leases(context);
  }

  async records(context: Context, from: Revision, to: Revision): ReturnType<EtcdClient['records']> {
    const start = this.#to({ revision: from }).revision;
    return this.#from(await this.#etcd.records(context, start, this.#to({ revision: to }).revision));
  }

  async status(context: Context): Promise<StoreStatus> {
    return this.#from(await this.#etcd.status(context));
  }

  #to<T>(request: T): T {
    return shifted(request, this.#by);
  }
  #from<T>(response: T): T {
    return shifted(response, -this.#by);
  }
}
