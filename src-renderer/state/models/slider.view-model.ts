import type { RewindSpan } from '#contract/rewind';

/** Where a revision lies on a slider from `oldest` to `newest`, 0 to 1. */
export function placeOf(revision: number, oldest: number, newest: number): number {
  return newest <= oldest ? 1 : Math.max(0, Math.min(1, (revision - oldest) / (newest - oldest)));
}

/** The revision at a place of the slider. */
export function revisionAt(place: number, oldest: number, newest: number): number {
  return Math.round(oldest + Math.max(0, Math.min(1, place)) * (newest - oldest));
}

/** What a key on the slider asks for: a revision, or `'now'`; undefined for keys that mean nothing here. */
export function revisionForKey(
  key: string,
  modifiers: { readonly shift: boolean; readonly ctrl: boolean },
  at: number,
  bounds: { readonly oldest: number; readonly newest: number },
): number | 'now' | undefined {
  const far = modifiers.shift ? 10 : 1;
  const steps: Readonly<Record<string, number>> = {
    ArrowLeft: -far,
    ArrowDown: -far,
    ArrowRight: far,
    ArrowUp: far,
    PageDown: -100,
    PageUp: 100,
  };
  if (modifiers.ctrl) return undefined;
  if (key === 'Home') return bounds.oldest;
  if (key === 'End') return 'now';
  const step = steps[key];
  if (step === undefined) return undefined;
  const wanted = Math.max(bounds.oldest, at + step);
  return wanted >= bounds.newest ? 'now' : wanted;
}

/** About when a revision was written, as the spans know it: good enough to show while the slider is dragged. */
export function timeNear(revision: number, spans: readonly RewindSpan[]): number | undefined {
  let low = 0;
  let high = spans.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle]?.last ?? 0) < revision) low = middle + 1;
    else high = middle;
  }
  const span = spans[low];
  if (span?.firstMs === undefined || span.lastMs === undefined) return undefined;
  return span.firstMs + placeOf(revision, span.first, span.last) * (span.lastMs - span.firstMs);
}

/**
 * The bars behind the slider as one path in a box of 1000 by 100: as high as the share of a span's revisions that changed something.
 * Quiet spans keep a hair's breadth, so that one sees where history is.
 */
export function barsPath(spans: readonly RewindSpan[], oldest: number, newest: number): string {
  const length = newest - oldest + 1;
  return spans
    .filter((span) => span.last >= oldest && span.first <= newest)
    .map((span) => {
      const left = ((Math.max(span.first, oldest) - oldest) / length) * 1000;
      const right = ((Math.min(span.last, newest) + 1 - oldest) / length) * 1000;
      const height = Math.max(4, Math.sqrt(span.changes / (span.last - span.first + 1)) * 100);
      return `M${round(left)} 100V${round(100 - height)}H${round(right)}V100z`;
    })
    .join('');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
