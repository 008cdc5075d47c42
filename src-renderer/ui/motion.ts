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
 * from where one of the same kin was last. What has no past grows in place. One of these a map; nothing moves while it is
 * new. All that appear at once are measured together, for each measure after a change costs a layout of the page.
 */
export class Flights {
  readonly #last = new Map<string, Place>();
  readonly #departed = new Map<string, Place[]>();
  readonly #bornMs = performance.now();
  #starting: { readonly element: HTMLElement; readonly from: DOMRect | undefined }[] = [];

  /** For an element that stands for `id`, of `kin`. */
  fly(id: string, kin: string): Attachment<HTMLElement> {
    return (element) => {
      const from = (this.#last.get(id) ?? this.#takeDeparted(kin))?.box;
      if (performance.now() - this.#bornMs > 600) this.#start(element, from);
      return () => {
        if (this.#last.size > 5000) this.#last.clear();
        this.#last.set(id, placeOf(element));
      };
    };
  }

  /** Says that a thing of `kin` is on its way out: the next that appears takes its place. */
  depart(kin: string, element: HTMLElement): void {
    this.#departed.set(kin, [...(this.#departed.get(kin) ?? []).slice(-200), placeOf(element)]);
  }

  #takeDeparted(kin: string): Place | undefined {
    const sinceMs = performance.now() - successionMs;
    const places = (this.#departed.get(kin) ?? []).filter((place) => place.atMs > sinceMs);
    const origin = places.shift();
    if (places.length > 0) this.#departed.set(kin, places);
    else this.#departed.delete(kin);
    return origin;
  }

  #start(element: HTMLElement, from: DOMRect | undefined): void {
    if (this.#starting.push({ element, from }) > 1) return;
    requestAnimationFrame(() => {
      const starting = this.#starting;
      this.#starting = [];
      if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
      const places = starting.map(({ element: one }) => one.getBoundingClientRect());
      starting.forEach(({ element: one, from: origin }, index) => animate(one, origin, places[index]));
    });
  }
}

function placeOf(element: HTMLElement): Place {
  return { box: element.getBoundingClientRect(), atMs: performance.now() };
}

function animate(element: HTMLElement, from: DOMRect | undefined, to: DOMRect | undefined): void {
  const start =
    from && to && from.width > 0
      ? { transform: `translate(${from.left - to.left}px, ${from.top - to.top}px)`, opacity: 0.6, zIndex: 5 }
      : { transform: 'scale(0.8)', opacity: 0 };
  element.animate([start, { transform: 'none', opacity: 1 }], { duration: moveMs, easing: 'cubic-bezier(.2,.7,.3,1)' });
}
