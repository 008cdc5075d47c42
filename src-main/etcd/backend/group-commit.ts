import { EtcdError } from '../client.ts';
import type { Backend } from './backend.ts';
import type { WriteBatch } from './write-batch.ts';

/** Something that was done in memory and waits to be on disk. */
export interface CommitWork {
  /** Puts it into the batch. */
  write(batch: WriteBatch): void;
  /** Takes it back in memory: it did not get onto the disk. Called newest work first. */
  undo(): void;
}

interface Group<Work> {
  readonly works: Work[];
  readonly done: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Group commit: one flush at a time; all work that arrives while one is under way goes into the next one together. 64
 * writers thus share a flush, and a lone writer waits for nobody.
 */
export class GroupCommit<Work extends CommitWork> {
  readonly #backend: Pick<Backend, 'commit'>;
  readonly #onDurable: (works: readonly Work[]) => void;
  #collecting: Group<Work> | undefined;
  #flushing: Group<Work> | undefined;
  #stopped = false;

  /** `onDurable` is told of each flushed group, in order, before the promises of its works resolve. */
  constructor(backend: Pick<Backend, 'commit'>, onDurable: (works: readonly Work[]) => void) {
    this.#backend = backend;
    this.#onDurable = onDurable;
  }

  /** Resolves when the work is on disk. Throws what the flush threw; the work is undone by then. */
  add(work: Work): Promise<void> {
    if (this.#stopped) {
      work.undo();
      return Promise.reject(stoppedError());
    }
    if (!this.#collecting) {
      this.#collecting = newGroup();
      // Everything that is done in this turn of the event loop's microtasks shares the flush.
      if (!this.#flushing) queueMicrotask(() => this.#flushNext());
    }
    this.#collecting.works.push(work);
    return this.#collecting.done;
  }

  /** Resolves when all work added so far is on disk; throws when any of it is not. Undefined when it already is. */
  settled(): Promise<void> | undefined {
    return (this.#collecting ?? this.#flushing)?.done;
  }

  /** Gives up what is not on disk yet: its promises reject. A flush under way may still land. */
  stop(): void {
    this.#stopped = true;
    for (const group of [this.#flushing, this.#collecting]) group?.reject(stoppedError());
    this.#collecting = undefined;
    this.#flushing = undefined;
  }

  #flushNext(): void {
    const group = this.#collecting;
    if (!group || this.#stopped) return;
    this.#collecting = undefined;
    this.#flushing = group;
    const write = (batch: WriteBatch): void => {
      for (const work of group.works) work.write(batch);
    };
    void this.#backend.commit(write).then(
      () => this.#flushed(group),
      (error: unknown) => this.#failed(group, error),
    );
  }

  #flushed(group: Group<Work>): void {
    if (this.#stopped) return;
    this.#flushing = undefined;
    this.#onDurable(group.works);
    group.resolve();
    this.#flushNext();
  }

  /** What was collected meanwhile was built on the failed group, so it goes with it. */
  #failed(group: Group<Work>, error: unknown): void {
    if (this.#stopped) return;
    const later = this.#collecting;
    this.#flushing = undefined;
    this.#collecting = undefined;
    for (const work of [...group.works, ...(later?.works ?? [])].reverse()) work.undo();
    group.reject(error);
    later?.reject(error);
  }
}

function newGroup<Work>(): Group<Work> {
  let resolve = (): void => {};
  let reject = (_error: unknown): void => {};
  const done = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { works: [], done, resolve, reject };
}

function stoppedError(): EtcdError {
  return new EtcdError('UNAVAILABLE', 'the store was stopped');
}
