import { Context } from '#base/context';
import {
  EtcdError,
  revision,
  type EtcdClient,
  type LeaseId,
  type LeaseStatus,
  type RangeRequest,
  type RangeResponse,
  type Revision,
  type StoreStatus,
  type TxnRequest,
  type TxnResponse,
  type Watcher,
  type WatchRequest,
} from '../client.ts';
import type { Alarm, EtcdMaintenance, HashKv, MemberStatus, WatcherStatus } from '../maintenance.ts';
import { fromRange, fromTxn, revisionOf, toRange, toTxn, writes } from './convert.ts';
import { CompactedError } from './errors.ts';
import { methods, type Answer, type RangeAnswer, type StatusAnswer, type TxnAnswer } from './methods.ts';
import { EndpointPool, type PoolOptions } from './pool.ts';
import { RemoteLeases } from './remote-leases.ts';
import { RemoteMaintenance, type MemberIdentity } from './remote-maintenance.ts';
import { RemoteRecords, type KeptRecord } from './remote-records.ts';
import { RevisionReader } from './revision-reader.ts';
import { watchStore } from './store-watch.ts';
import { Watches } from './watches.ts';

export type RemoteEtcdOptions = PoolOptions;

const everything = { key: '\0', rangeEnd: '\0' };

/**
 * An etcd (3.4 to 3.6, or the port of an embedded store) over gRPC. Every call ends within its deadline: UNAVAILABLE when nobody
 * carried it out, TIMEOUT when a write may have been made or not; such a write is never sent twice.
 */
export class RemoteEtcd implements EtcdClient, EtcdMaintenance {
  readonly #pool: EndpointPool;
  readonly #leases: RemoteLeases;
  readonly #records: RemoteRecords;
  readonly #maintenance: RemoteMaintenance;
  readonly #revisions: RevisionReader;
  readonly #watches: Watches;
  /** The greatest revision any answer has told. */
  #known = revision(0);

  constructor(options: RemoteEtcdOptions) {
    this.#pool = new EndpointPool(options);
    this.#leases = new RemoteLeases(this.#pool, options.clock);
    this.#records = new RemoteRecords(this.#pool);
    this.#revisions = new RevisionReader(() => this.#readRevision());
    this.#watches = new Watches({
      ...options,
      pool: this.#pool,
      currentRevision: () => this.#revisions.current(),
      knownRevision: () => this.#known,
    });
    this.#maintenance = new RemoteMaintenance(this.#pool, () => this.#watches.list());
  }

  async range(context: Context, request: RangeRequest): Promise<RangeResponse> {
    const options = { kind: 'read', serializable: request.serializable === true } as const;
    const answer = await this.#pool.call<RangeAnswer>(context, methods.range, fromRange(request), options);
    return toRange(answer, this.#seen(answer));
  }

  async txn(context: Context, request: TxnRequest): Promise<TxnResponse> {
    // A watch "from now on" sees what is written after it was made.
    await this.#watches.settled();
    const kind = [...request.success, ...request.failure].some(writes) ? 'write' : 'read';
    const answer = await this.#pool.call<TxnAnswer>(context, methods.txn, fromTxn(request), { kind });
    return toTxn(request, answer, this.#seen(answer));
  }

  watch(context: Context, request: WatchRequest): Watcher {
    return this.#watches.open(context, request);
  }

  async compact(context: Context, at: Revision, options?: { readonly physical?: boolean }): Promise<void> {
    const message = { revision: at, physical: options?.physical === true };
    await this.#pool.call<Answer>(context, methods.compact, message, { kind: 'write' });
  }

  leaseGrant(context: Context, ttlSeconds: number, id?: LeaseId): Promise<LeaseStatus> {
    return this.#leases.grant(context, ttlSeconds, id);
  }

  leaseKeepAlive(context: Context, id: LeaseId): Promise<LeaseStatus> {
    return this.#leases.keepAlive(context, id);
  }

  async leaseRevoke(context: Context, id: LeaseId): Promise<void> {
    await this.#watches.settled();
    return this.#leases.revoke(context, id);
  }

  leaseTimeToLive(context: Context, id: LeaseId): Promise<LeaseStatus> {
    return this.#leases.timeToLive(context, id);
  }

  leases(context: Context): Promise<readonly LeaseId[]> {
    return this.#leases.list(context);
  }

  records(context: Context, from: Revision, to: Revision): Promise<readonly KeptRecord[]> {
    return this.#records.read(context, from, to);
  }

  /** `watchers` are those of this client. */
  async status(context: Context): Promise<StoreStatus> {
    const options = { kind: 'read', serializable: true } as const;
    const [status, keys, compactRevision] = await Promise.all([
      this.#pool.call<StatusAnswer>(context, methods.status, {}, options),
      this.range(context, { ...everything, countOnly: true }),
      this.#compactRevision(context),
    ]);
    return {
      revision: keys.revision,
      compactRevision,
      keys: keys.count,
      watchers: this.#watches.list().length,
      dbSizeBytes: Number(status.dbSize),
      dbSizeInUseBytes: Number(status.dbSizeInUse),
    };
  }

  members(context: Context): Promise<readonly MemberStatus[]> {
    return this.#maintenance.members(context);
  }
  identify(context: Context, endpoint: string): Promise<MemberIdentity> {
    return this.#maintenance.identify(context, endpoint);
  }
  hash(context: Context, endpoint?: string): Promise<{ readonly revision: Revision; readonly hash: number }> {
    return this.#maintenance.hash(context, endpoint);
  }
  hashKv(context: Context, at?: Revision, endpoint?: string): Promise<HashKv> {
    return this.#maintenance.hashKv(context, at, endpoint);
  }
  defragment(context: Context, endpoint?: string): Promise<void> {
    return this.#maintenance.defragment(context, endpoint);
  }
  alarms(context: Context): Promise<readonly Alarm[]> {
    return this.#maintenance.alarms(context);
  }
  disarm(context: Context, alarm: Alarm): Promise<readonly Alarm[]> {
    return this.#maintenance.disarm(context, alarm);
  }
  snapshot(context: Context): AsyncIterable<Uint8Array> {
    return this.#maintenance.snapshot(context);
  }
  /** Those of this client: a real etcd does not tell of others. */
  watchers(): Promise<readonly WatcherStatus[]> {
    return this.#maintenance.watchers();
  }

  /** Ends every watch and connection, for good. */
  close(): void {
    this.#watches.close();
    this.#pool.close();
  }

  async #readRevision(): Promise<Revision> {
    return (await this.range(Context.background(), { key: '\0', keysOnly: true })).revision;
  }

  /** etcd tells it only to those who ask for what is gone. */
  async #compactRevision(context: Context): Promise<Revision> {
    try {
      await this.range(context, { key: '\0', keysOnly: true, revision: revision(1), serializable: true });
      return revision(0);
    } catch (error) {
      if (!(error instanceof EtcdError) || error.code !== 'COMPACTED') throw error;
    }
    const scope = context.withCancel();
    try {
      const first = this.#watches.store;
      for await (const _ of watchStore(scope.context, first, revision(1))) break;
      return revision(0);
    } catch (error) {
      if (error instanceof CompactedError) return error.compactRevision;
      throw error;
    } finally {
      scope.cancel();
    }
  }

  #seen(answer: Answer): Revision {
    const at = revisionOf(answer);
    if (at > this.#known) this.#known = at;
    return at;
  }
}
