import type { Logger } from '#base/logger';
import { EtcdError, type Operation, type TxnRequest } from './client.ts';

/** Where the store's data file is, as this file needs it. */
export interface StorageRoom {
  readonly file: string;
  /** Whether so many bytes can still be written: free ones of the disk, and those that the data file holds unused. */
  hasRoom(bytes: number): boolean;
}

/** With less room than this, puts are refused: what is left is for deletions and compactions. */
const fullBelowBytes = 8 * 2 ** 20;
/** Twice that, so that the alarm does not flicker. */
const wellAboveBytes = 2 * fullBelowBytes;
/** Flushes between two looks at the disk, which take microseconds each. */
const flushesPerLook = 64;

/**
 * etcd's NOSPACE alarm. While it stands, puts and grants of leases are refused (as by `quotaApplierV3` of etcd 3.6); ranges,
 * deletions, compactions and defragmentation go on.
 *
 * It differs from etcd's in two ways. It is raised by the disk, not by a quota: history is kept for a span of time, and how
 * many bytes that is nobody should have to guess. And it ends by itself once there is room, because etcd's reason to wait for
 * `alarm disarm` is that members must agree and a quota does not grow by itself; a lab on a laptop has one member, a disk that
 * its owner tidies up, and nobody who knows that command. `disarm` works all the same.
 */
export class SpaceAlarm {
  readonly #storage: StorageRoom;
  readonly #logger: Logger;
  #raised = false;
  #flushes = 0;

  constructor(storage: StorageRoom, logger: Logger) {
    this.#storage = storage;
    this.#logger = logger;
  }

  /** Looks at the disk while it stands. */
  get raised(): boolean {
    if (this.#raised && this.#storage.hasRoom(wellAboveBytes)) {
      this.#raised = false;
      this.#logger.info('there is room on the disk again; writes are taken', { file: this.#storage.file });
    }
    return this.#raised;
  }

  /** Throws EtcdError NO_SPACE while it stands. */
  check(): void {
    if (!this.raised) return;
    const what = `no space left for ${this.#storage.file}; free some on that disk, and writes go on by themselves`;
    throw new EtcdError('NO_SPACE', `etcdserver: mvcc: database space exceeded: ${what}`);
  }

  /** Until the next write that finds no room. */
  disarm(): void {
    this.#raised = false;
  }

  /** Runs a commit: one that finds no room raises the alarm, and one in many looks how much there is left. */
  async watchOver(commit: Promise<void>): Promise<void> {
    try {
      await commit;
    } catch (error) {
      if (error instanceof EtcdError && error.code === 'NO_SPACE') this.#raise();
      throw error;
    }
    if (++this.#flushes % flushesPerLook === 0 && !this.#storage.hasRoom(fullBelowBytes)) this.#raise();
  }

  #raise(): void {
    if (this.#raised) return;
    this.#raised = true;
    this.#logger.warn('no space left on the disk; puts are refused until there is', { file: this.#storage.file });
  }
}

/** Whether the transaction would add anything, on whichever branch. */
export function hasPut({ success, failure }: Pick<TxnRequest, 'success' | 'failure'>): boolean {
  const adds = (operation: Operation): boolean =>
    operation.type === 'put' || (operation.type === 'txn' && hasPut(operation));
  return success.some(adds) || failure.some(adds);
}
