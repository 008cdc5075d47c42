import type { Revision } from '../client.ts';

/**
 * The store's revision as its members agree on it. A read that is under way may have been answered before a caller's moment, so
 * those who come meanwhile share the one after it.
 */
export class RevisionReader {
  readonly #read: () => Promise<Revision>;
  #running: Promise<Revision> | undefined;
  #following: Promise<Revision> | undefined;

  constructor(read: () => Promise<Revision>) {
    this.#read = read;
  }

  current(): Promise<Revision> {
    if (this.#following) return this.#following;
    if (!this.#running) return this.#begin();
    const following = this.#running
      .catch(() => undefined)
      .then(() => {
        this.#following = undefined;
        return this.#begin();
      });
    this.#following = following;
    return following;
  }

  #begin(): Promise<Revision> {
    const running = this.#read().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}
