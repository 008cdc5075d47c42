import { Pacer } from '#base/pacer';
import { messageOf } from '#base/errors';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import { EtcdError } from '../client.ts';
import type { Backend } from '../backend/backend.ts';
import { encodeChanges, type ChangeHeader } from '../backend/codec.ts';
import { compactedError, type MvccStore } from './store.ts';

/** How much history is kept without being asked: revisions of the last `keepMs`, and the last `keepRevisions` in any case. */
export interface RetentionPolicy {
  readonly keepMs: number;
  readonly keepRevisions: number;
}

/** Revisions cleaned up in one LMDB transaction. */
const cleanupChunk = 512;

/**
 * Forgets history. `compact` moves the line below which nothing can be read, durably; the disk is cleaned up behind it in
 * the background, in small transactions with turns for everybody else in between. A clean-up that was interrupted starts
 * over when the store is opened: it only removes what the line allows.
 */
export class Compactor {
  readonly #backend: Backend;
  readonly #store: MvccStore;
  readonly #logger: Logger;
  #cleaning: Promise<void> = Promise.resolve();
  /** The newest `compact` under way; its failure is its caller's. */
  #moving: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(backend: Backend, store: MvccStore, logger: Logger) {
    this.#backend = backend;
    this.#store = store;
    this.#logger = logger;
  }

  /** Resolves when the new line is on disk. Throws EtcdError COMPACTED or FUTURE_REVISION. */
  compact(at: number): Promise<void> {
    const moved = this.#moveLine(at);
    this.#moving = moved.catch(() => undefined);
    return moved;
  }

  async #moveLine(at: number): Promise<void> {
    if (at <= this.#store.compactedRevision) throw compactedError();
    this.#store.checkReadable(at, this.#store.durableRevision);
    await this.#backend.commit((batch) => batch.put('meta', 'compacted', String(at)));
    // A later compaction may have overtaken this one during the flush.
    this.#store.compactedRevision = Math.max(at, this.#store.compactedRevision);
    this.startCleanUp();
  }

  /** Cleans up behind the line; after the clean-up under way, if there is one. */
  startCleanUp(): void {
    this.#cleaning = this.#cleaning
      .then(() => this.#cleanUp())
      .catch((error: unknown) => {
        if (!this.#stopped) this.#logger.warn('history could not be cleaned up', { error: messageOf(error) });
      });
  }

  /** Resolves when the compactions asked for so far, and the clean-ups behind them, have ended. */
  async settled(): Promise<void> {
    await this.#moving;
    await this.#cleaning;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Compacts by `policy` until `context` ends. Looks about ten times in `keepMs`. */
  async runRetention(context: Context, clock: Clock, policy: RetentionPolicy): Promise<void> {
    const marks: { readonly timeMs: number; readonly revision: number }[] = [];
    let old = 0;
    while (!context.ended) {
      marks.push({ timeMs: clock.now(), revision: this.#store.durableRevision });
      while ((marks[0]?.timeMs ?? Infinity) <= clock.now() - policy.keepMs) old = marks.shift()?.revision ?? old;
      const at = Math.min(old, this.#store.durableRevision - policy.keepRevisions);
      if (at > Math.max(1, this.#store.compactedRevision)) await this.#compactQuietly(at);
      await clock.sleep(context, policy.keepMs / 10);
    }
  }

  async #compactQuietly(at: number): Promise<void> {
    try {
      await this.compact(at);
    } catch (error) {
      if (!(error instanceof EtcdError) || this.#stopped) throw error;
      this.#logger.warn('automatic compaction failed, will be tried again', { revision: at, error: error.message });
    }
  }

  async #cleanUp(): Promise<void> {
    const line = this.#store.compactedRevision;
    const pacer = new Pacer();
    let from = 0;
    while (!this.#stopped && from < line) {
      const chunk = [...this.#backend.readChanges(from, line, cleanupChunk)];
      const last = chunk[chunk.length - 1];
      if (!last) break;
      from = last.main + 1;
      const work: { main: number; kept: ChangeHeader[]; dropped: ChangeHeader[] }[] = [];
      for (const { main, changes } of chunk) {
        const kept: ChangeHeader[] = [];
        const dropped: ChangeHeader[] = [];
        for (const change of changes) {
          (this.#store.index.keeps(change.key, change.id, line) ? kept : dropped).push(change);
        }
        if (dropped.length > 0) work.push({ main, kept, dropped });
        await pacer.pace();
      }
      if (work.length > 0) await this.#drop(work, line);
    }
    await this.#dropRecords(line);
  }

  /** From disk first: what the index no longer knows would stay there for good. */
  async #drop(
    work: readonly { main: number; kept: readonly ChangeHeader[]; dropped: readonly ChangeHeader[] }[],
    line: number,
  ): Promise<void> {
    await this.#backend.commit((batch) => {
      for (const { main, kept, dropped } of work) {
        for (const { id } of dropped) if (id > 0) batch.remove('values', id);
        if (kept.length > 0) batch.put('changes', main, encodeChanges(main, kept));
        else batch.remove('changes', main);
      }
    });
    for (const { dropped } of work) {
      for (const { key, id } of dropped) {
        this.#store.index.compact(key, line);
        if (id > 0) this.#store.values.forget(id);
      }
    }
  }

  async #dropRecords(line: number): Promise<void> {
    while (!this.#stopped) {
      const chunk = [...this.#backend.tables.records.getKeys({ start: 0, end: line, limit: cleanupChunk })];
      if (chunk.length === 0) return;
      await this.#backend.commit((batch) => {
        for (const main of chunk) batch.remove('records', main);
      });
    }
  }
}
