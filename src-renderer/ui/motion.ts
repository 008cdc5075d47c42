import type { Attachment } from 'svelte/attachments';

interface Place {
  readonly box: DOMRect;
  readonly atMs: number;
}

const moveMs = 200;
/** A pod that appears so long after one of its owner went is taken as its successor. */
const successionMs = 8000;

/**
 * Remembers where things were, so that what appears can fly in from there: the same thing from its old place, a successor
 * from where one of the same kin was last. What has no past grows in place. One of these a map; nothing moves while it is new.
 */
export class Flights {
  readonly #last = new Map<string, Place>();
  readonly #departed = new Map<string, Place[]>();
  readonly #bornMs = performance.now();

  /** For an element that stands for `id`, of `kin`. */
  fly(id: string, kin: string): Attachment<HTMLElement> {
    return (element) => {
      const now = performance.now();
      const origin = this.#last.get(id) ?? this.#takeDeparted(kin, now);
      if (now - this.#bornMs > 600 && !matchMedia('(prefers-reduced-motion: reduce)').matches)
        animate(element, origin?.box);
      return () => {
        if (this.#last.size > 5000) this.#last.clear();
        this.#last.set(id, { box: element.getBoundingClientRect(), atMs: performance.now() });
      };
    };
  }

  /** Says that a thing of `kin` is on its way out: the next that appears takes its place. */
  depart(kin: string, element: HTMLElement): void {
    const place = { box: element.getBoundingClientRect(), atMs: performance.now() };
    this.#departed.set(kin, [...(this.#departed.get(kin) ?? []).slice(-200), place]);
  }

  #takeDeparted(kin: string, nowMs: number): Place | undefined {
    const places = (this.#departed.get(kin) ?? []).filter((place) => nowMs - place.atMs < successionMs);
    const origin = places.shift();
    if (places.length > 0) this.#departed.set(kin, places);
    else this.#departed.delete(kin);
    return origin;
  }
}

function animate(element: HTMLElement, from: DOMRect | undefined): void {
  const to = element.getBoundingClientRect();
  const start =
    from && from.width > 0
      ? { transform: `translate(${from.left - to.left}px, ${from.top - to.top}px)`, opacity: 0.6, zIndex: 5 }
      : { transform: 'scale(0.8)', opacity: 0 };
  element.animate([start, { transform: 'none', opacity: 1 }], { duration: moveMs, easing: 'cubic-bezier(.2,.7,.3,1)' });
}
