import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import {
  EtcdError,
  leaseText,
  noLease,
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
} from './client.ts';
import { Backend } from './backend/backend.ts';
import { leaseKey, leaseOfKey } from './backend/codec.ts';
import { GroupCommit, type CommitWork } from './backend/group-commit.ts';
import { EmbeddedMaintenance } from './embedded-maintenance.ts';
import { Lessor } from './lease/lessor.ts';
import type { EtcdMaintenance } from './maintenance.ts';
import type { Commit } from './mvcc/change.ts';
import { checkKey, checkTxn, type TxnLimits } from './mvcc/check-txn.ts';
import { Compactor, type RetentionPolicy } from './mvcc/compactor.ts';
import { KeyIndex } from './mvcc/key-index.ts';
import { MvccStore } from './mvcc/store.ts';
import { TxnExecution } from './mvcc/txn.ts';
import { WatchHub } from './mvcc/watch-hub.ts';
import { hasPut, SpaceAlarm } from './space-alarm.ts';

export interface EmbeddedEtcdOptions {
  /** Directory of the data file; made when missing. */
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: the last hour, and the last million revisions in any case. `'none'` keeps all history. */
  readonly retention?: RetentionPolicy | 'none';
  /** Bytes of values kept in memory beside the index. Default 8 MiB. */
  readonly cacheBytes?: number;
  /** The member's name; default `default`, as in etcd. */
  readonly name?: string;
  /** Where its gRPC port is, for those who ask for members; default none. */
  readonly clientUrls?: () => readonly string[];
  /** Transactions above it are refused, as by etcd's `--max-request-bytes`. Default 1.5 MiB. */
  readonly maxRequestBytes?: number;
}

interface StoreWork extends CommitWork {
  readonly commit: Commit | undefined;
}

const defaultRetention: RetentionPolicy = { keepMs: 3_600_000, keepRevisions: 1_000_000 };

/**
 * etcd in this process: the {@link EtcdClient} over an LMDB file. What is acknowledged, and what a watcher or reader is
 * shown, is on disk. Transactions run one after the other in memory, in the order of the calls, and share flushes.
 */
export class EmbeddedEtcd implements EtcdClient {
  /** The NOSPACE alarm. */
  readonly space: SpaceAlarm;
  readonly maintenance: EtcdMaintenance;
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #lessor: Lessor;
  readonly #store: MvccStore;
  readonly #limits: TxnLimits;
  readonly #hub: WatchHub;
  readonly #compactor: Compactor;
  readonly #commits: GroupCommit<StoreWork>;
  readonly #life = Context.background().withCancel();
  #lastLeaseId = noLease;
  #closed: Promise<void> | undefined;

  private constructor(backend: Backend, options: EmbeddedEtcdOptions, index: KeyIndex, lastRevision: number) {
    this.#backend = backend;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#lessor = new Lessor(options.clock, (id) => this.#expire(id));
    for (const { key, value } of backend.tables.leases.getRange({})) this.#lessor.add(leaseOfKey(key), Number(value));
    this.#store = new MvccStore(backend, this.#lessor, options.cacheBytes ?? 8 * 2 ** 20, index, lastRevision);
    this.#limits = { requestBytes: options.maxRequestBytes ?? 1.5 * 2 ** 20 };
    this.#hub = new WatchHub(this.#store, options.clock);
    this.#compactor = new Compactor(backend, this.#store, options.logger);
    this.space = new SpaceAlarm(backend, options.logger);
    const commit: Backend['commit'] = (write) => this.space.watchOver(backend.commit(write));
    this.#commits = new GroupCommit({ commit }, (works) => this.#durable(works));
    this.maintenance = new EmbeddedMaintenance({
      name: options.name ?? 'default',
      clientUrls: options.clientUrls ?? (() => []),
      backend,
      store: this.#store,
      hub: this.#hub,
      space: this.space,
      status: (context) => this.status(context),
      run: (context, work) => this.#run(context, work),
    });
  }

  /** Throws EtcdError CORRUPT for a damaged or foreign data file, which is left as it is; NO_SPACE; UNAVAILABLE. */
  static async open(options: EmbeddedEtcdOptions): Promise<EmbeddedEtcd> {
    const index = new KeyIndex();
    let last = 0;
    const backend = await Backend.open(options.path, ({ main, changes }) => {
      for (const change of changes) index.restore(change.key, change.id, change);
      last = main;
    });
    const etcd = new EmbeddedEtcd(backend, options, index, last);
    etcd.#lessor.start();
    if (etcd.#store.compactedRevision > 0) etcd.#compactor.startCleanUp();
    const { retention = defaultRetention } = options;
    if (retention !== 'none') void etcd.#retain(retention);
    return etcd;
  }

  async range(context: Context, request: RangeRequest): Promise<RangeResponse> {
    this.#checkUsable(context);
    checkKey(request);
    return this.#store.range(request);
  }

  async txn(context: Context, request: TxnRequest): Promise<TxnResponse> {
    this.#checkUsable(context);
    checkTxn(request, this.#limits);
    if (hasPut(request)) this.space.check();
    const { response, commit } = TxnExecution.run(this.#store, this.#lessor, request);
    // A transaction that only read has seen others' writes that may not be on disk yet.
    const durable = commit ? this.#commits.add(this.#storeWork(commit)) : this.#commits.settled();
    if (durable) await untilEnd(context, durable);
    return response;
  }

  watch(context: Context, request: WatchRequest): Watcher {
    this.#checkUsable(context);
    const watcher = this.#hub.watch(request.key === '' ? { ...request, key: '\0' } : request);
    watcher.closeWith(context);
    return watcher;
  }

  async compact(context: Context, at: Revision, options: { readonly physical?: boolean } = {}): Promise<void> {
    this.#checkUsable(context);
    await untilEnd(context, this.#compactor.compact(at));
    if (options.physical) await untilEnd(context, this.#compactor.settled());
  }

  async leaseGrant(context: Context, ttlSeconds: number, id = noLease): Promise<LeaseStatus> {
    this.#checkUsable(context);
    this.space.check();
    const granted = id === noLease ? this.#newLeaseId() : id;
    const ttl = this.#lessor.checkGrant(granted, ttlSeconds);
    const status = this.#lessor.add(granted, ttl);
    const work: StoreWork = {
      commit: undefined,
      write: (batch) => batch.put('leases', leaseKey(granted), String(ttl)),
      undo: () => this.#lessor.remove(granted),
    };
    await untilEnd(context, this.#commits.add(work));
    return status;
  }

  async leaseKeepAlive(context: Context, id: LeaseId): Promise<LeaseStatus> {
    this.#checkUsable(context);
    return this.#lessor.keepAlive(id);
  }

  async leaseRevoke(context: Context, id: LeaseId): Promise<void> {
    this.#checkUsable(context);
    await untilEnd(context, this.#revoke(id));
  }

  async leaseTimeToLive(context: Context, id: LeaseId): Promise<LeaseStatus> {
    this.#checkUsable(context);
    return this.#lessor.status(id);
  }

  async leases(context: Context): Promise<readonly LeaseId[]> {
    this.#checkUsable(context);
    return this.#lessor.ids;
  }

  async records(
    context: Context,
    from: Revision,
    to: Revision,
  ): Promise<readonly { revision: Revision; record: string }[]> {
    this.#checkUsable(context);
    const start = Math.max(from, this.#store.compactedRevision);
    const end = Math.min(to, this.#store.durableRevision) + 1;
    const rows = start < end ? this.#backend.tables.records.getRange({ start, end }) : [];
    return Array.from(rows, ({ key, value }) => ({ revision: revision(key), record: value }));
  }

  async status(context: Context): Promise<StoreStatus> {
    this.#checkUsable(context);
    const { totalBytes, inUseBytes } = this.#backend.size();
    return {
      revision: revision(this.#store.durableRevision),
      compactRevision: revision(Math.max(0, this.#store.compactedRevision)),
      keys: this.#store.index.live,
      watchers: this.#hub.size,
      dbSizeBytes: totalBytes,
      dbSizeInUseBytes: inUseBytes,
    };
  }

  /** Copies the store as it is at one moment to `data.mdb` in the new folder `folder`. Writes go on meanwhile. */
  async copyTo(context: Context, folder: string): Promise<void> {
    this.#checkUsable(context);
    await untilEnd(context, this.#backend.copyTo(folder));
  }

  /** Resolves when the history that compactions so far gave up is gone from the disk as well. */
  compactionSettled(): Promise<void> {
    return this.#compactor.settled();
  }

  /** Ends in order: what was written is flushed, watchers end. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /**
   * Ends at once, as `kill -9` would: what is not on disk yet is lost and its callers get UNAVAILABLE. The same path can be
   * opened again right away.
   */
  crash(): void {
    this.#closed ??= this.#end();
  }

  async #close(): Promise<void> {
    this.#lessor.stop();
    await this.#commits.settled()?.catch((error: unknown) => {
      this.#logger.warn('the last writes could not be flushed', { error: messageOf(error) });
    });
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#life.cancel();
    this.#lessor.stop();
    this.#compactor.stop();
    this.#commits.stop();
    this.#hub.stop();
    const closed = this.#backend.close();
    await this.#compactor.settled();
    await closed;
  }

  async #run<T>(context: Context, work: () => Promise<T>): Promise<T> {
    this.#checkUsable(context);
    return untilEnd(context, work());
  }

  #checkUsable(context: Context): void {
    context.check();
    if (this.#closed) throw new EtcdError('UNAVAILABLE', 'the store is stopped');
  }

  #storeWork(commit: Commit): StoreWork {
    return {
      commit,
      write: (batch) => this.#store.write(batch, commit),
      undo: () => this.#store.undoCommit(commit),
    };
  }

  /** Watchers are told in the same turn in which the revision becomes readable. */
  #durable(works: readonly StoreWork[]): void {
    const commits: Commit[] = [];
    for (const { commit } of works) {
      if (!commit) continue;
      this.#store.settle(commit);
      commits.push(commit);
    }
    this.#hub.publish(commits);
  }

  /** Deletes the lease and its keys in one transaction. */
  async #revoke(id: LeaseId): Promise<void> {
    const lease = this.#lessor.require(id);
    const commit = TxnExecution.deleteKeys(this.#store, this.#lessor, [...lease.keys].sort());
    this.#lessor.remove(id);
    await this.#commits.add({
      commit,
      write: (batch) => {
        if (commit) this.#store.write(batch, commit);
        batch.remove('leases', leaseKey(id));
      },
      undo: () => {
        this.#lessor.restore(lease);
        if (commit) this.#store.undoCommit(commit);
      },
    });
  }

  #expire(id: LeaseId): void {
    this.#revoke(id).catch((error: unknown) => {
      if (!this.#closed)
        this.#logger.warn('an expired lease could not be revoked', { lease: leaseText(id), error: messageOf(error) });
    });
  }

  /** Not one that was in use before, so that a holder who was away does not keep a stranger's lease alive. */
  #newLeaseId(): LeaseId {
    const byTime = BigInt(Math.floor(this.#clock.now())) * 1000n;
    this.#lastLeaseId = byTime > this.#lastLeaseId ? byTime : this.#lastLeaseId + 1n;
    while (this.#lessor.has(this.#lastLeaseId)) this.#lastLeaseId++;
    return this.#lastLeaseId;
  }

  async #retain(policy: RetentionPolicy): Promise<void> {
    try {
      await this.#compactor.runRetention(this.#life.context, this.#clock, policy);
    } catch (error) {
      if (!(error instanceof CancelledError)) {
        this.#logger.error('automatic compaction stopped', { error: messageOf(error) });
      }
    }
  }
}

/** Waits for `work`, or throws {@link CancelledError} when `context` ends first; the work goes on. */
function untilEnd<T>(context: Context, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const link = context.onEnd(() => reject(new CancelledError(context.endedBy ?? 'cancelled')));
    work.then(
      (value) => {
        link.dispose();
        resolve(value);
      },
      (error: unknown) => {
        link.dispose();
        reject(error instanceof Error ? error : new Error(messageOf(error)));
      },
    );
  });
}
