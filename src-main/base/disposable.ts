/** Something that holds a resource until told to let go. `dispose` is idempotent and never throws. */
export interface Disposable {
  dispose(): void;
}

/** A {@link Disposable} around a function, which is called once at most. */
export function disposable(release: () => void): Disposable {
  let released = false;
  return {
    dispose() {
      if (released) return;
      released = true;
      release();
    },
  };
}

/** Disposables that end together, last in first out. Adding to a disposed store disposes the newcomer at once. */
export class DisposableStore implements Disposable {
  readonly #items: Disposable[] = [];
  #disposed = false;

  add<T extends Disposable>(item: T): T {
    if (this.#disposed) item.dispose();
    else this.#items.push(item);
    return item;
  }

  dispose(): void {
    this.#disposed = true;
    for (let item = this.#items.pop(); item; item = this.#items.pop()) item.dispose();
  }
}
