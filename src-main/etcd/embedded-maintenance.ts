import { createReadStream, rmSync } from 'node:fs';
import type { Context } from '#base/context';
import { revision, type Revision, type StoreStatus } from './client.ts';
import type { Backend } from './backend/backend.ts';
import { workFolder } from './backend/compact-copy.ts';
import { dataFile } from './backend/environment.ts';
import type { Alarm, EtcdMaintenance, HashKv, MemberStatus, WatcherStatus } from './maintenance.ts';
import { memberIdOf } from './member-id.ts';
import { crc32c } from './mvcc/crc32c.ts';
import { hashAll, hashKv } from './mvcc/hash-kv.ts';
import type { MvccStore } from './mvcc/store.ts';
import type { WatchHub } from './mvcc/watch-hub.ts';
import type { SpaceAlarm } from './space-alarm.ts';

/** The release of etcd whose API the embedded store has. */
export const apiVersion = '3.6.0';
/** There are no elections, so that the term never changes; 2 is what a new etcd has after its first one. */
export const raftTerm = 2;

export interface MaintenanceParts {
  readonly name: string;
  readonly clientUrls: () => readonly string[];
  readonly backend: Backend;
  readonly store: MvccStore;
  readonly hub: WatchHub;
  readonly space: SpaceAlarm;
  readonly status: (context: Context) => Promise<StoreStatus>;
  /** Waits for work, but not beyond the end of the context or of the store. */
  readonly run: <T>(context: Context, work: () => Promise<T>) => Promise<T>;
}

/** Maintenance of the embedded store, which is its only member: an `endpoint` can only be its own. */
export class EmbeddedMaintenance implements EtcdMaintenance {
  readonly #parts: MaintenanceParts;
  readonly #memberId: string;

  constructor(parts: MaintenanceParts) {
    this.#parts = parts;
    this.#memberId = memberIdOf(parts.name).toString(16);
  }

  async members(context: Context): Promise<readonly MemberStatus[]> {
    const { name, clientUrls, status } = this.#parts;
    const { revision: current, dbSizeBytes, dbSizeInUseBytes } = await status(context);
    return [
      {
        id: this.#memberId,
        name,
        clientUrls: clientUrls(),
        // No peers, so no peer address.
        peerUrls: [],
        isLeader: true,
        version: apiVersion,
        dbSizeBytes,
        dbSizeInUseBytes,
        raftTerm,
        // There is no raft log: every revision stands for one applied entry.
        raftIndex: current,
      },
    ];
  }

  /** Covers history, leases and the compacted revision, not the layout of the file. */
  hash(context: Context): Promise<{ readonly revision: Revision; readonly hash: number }> {
    const { backend, store, run } = this.#parts;
    return run(context, async () => {
      const at = revision(store.durableRevision);
      let hash = await hashAll(store, backend);
      hash = crc32c(Buffer.from(`compacted ${store.compactedRevision}`), hash);
      for (const { key, value } of backend.tables.leases.getRange({}))
        hash = crc32c(Buffer.from(`lease ${key} ${value}`), hash);
      return { revision: at, hash };
    });
  }

  hashKv(context: Context, at?: Revision): Promise<HashKv> {
    return this.#parts.run(context, () => hashKv(this.#parts.store, this.#parts.backend, at));
  }

  defragment(context: Context): Promise<void> {
    return this.#parts.run(context, () => this.#parts.backend.defragment());
  }

  async alarms(context: Context): Promise<readonly Alarm[]> {
    context.check();
    return this.#parts.space.raised ? [{ memberId: this.#memberId, type: 'NOSPACE' }] : [];
  }

  async disarm(context: Context, { type }: Alarm): Promise<readonly Alarm[]> {
    context.check();
    if (type === 'NOSPACE') this.#parts.space.disarm();
    return this.alarms(context);
  }

  /** An LMDB file without unused pages: `data.mdb` of the folder of a new store. */
  async *snapshot(context: Context): AsyncGenerator<Uint8Array> {
    const { backend, run } = this.#parts;
    const folder = workFolder(backend.path);
    try {
      await run(context, () => backend.copyTo(folder));
      for await (const part of createReadStream(dataFile(folder))) {
        context.check();
        yield part as Buffer;
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async watchers(context: Context): Promise<readonly WatcherStatus[]> {
    context.check();
    return this.#parts.hub.statuses();
  }
}
