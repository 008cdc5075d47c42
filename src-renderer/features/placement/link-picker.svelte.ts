import type { Point } from './link-route.view-model.ts';

/**
 * Choosing the two ends of a link: by dragging from one handle to the other card, or by pressing one handle and then another,
 * with mouse or keyboard.
 */
export class LinkPicker {
  /** The end that was chosen first. */
  from = $state<string | undefined>();
  /** Where the pointer is while it drags, in the window's pixels. */
  pointer = $state.raw<Point | undefined>();
  /** The end that a drop would choose. */
  over = $state<string | undefined>();
  readonly #onlink: (from: string, to: string) => void;

  constructor(onlink: (from: string, to: string) => void) {
    this.#onlink = onlink;
  }

  /** The first press chooses one end, the second the other. Pressing the same end again gives up. */
  press(end: string): void {
    const { from } = this;
    if (from === undefined) this.from = end;
    else {
      this.cancel();
      if (from !== end) this.#onlink(from, end);
    }
  }

  drag(end: string, at: Point, over: string | undefined): void {
    this.from = end;
    this.pointer = at;
    this.over = over === end ? undefined : over;
  }

  /** Lets go where the pointer is. */
  drop(): void {
    const { from, over } = this;
    this.cancel();
    if (from !== undefined && over !== undefined) this.#onlink(from, over);
  }

  cancel(): void {
    [this.from, this.pointer, this.over] = [undefined, undefined, undefined];
  }
}
