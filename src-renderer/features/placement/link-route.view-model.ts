/** A card on the map, in the map's own pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Route {
  /** From the upper or left card to the other, along the gutters. */
  readonly points: readonly Point[];
  /** Middle of its longest part, where the label goes. */
  readonly label: Point;
  /** Whether the label stands in a gutter between two columns, where it has to be narrow. */
  readonly narrow: boolean;
}

/** Height at which neighbours in a row are connected: their title lines. */
const titlePx = 24;
/** Of a line beside a column from its cards: also the map's edges have so much room. */
const besidePx = 9;
/** Between lines that share a gutter. */
const lanePx = 7;

/**
 * A line between two cards that crosses no third one: straight over the gutter between neighbours, else along the gutters.
 *
 *     [A]──[B]  [C]        [A] [B]
 *      └─────────┘          └───┐
 *                          [C] [D]
 */
export function routeBetween(one: Box, other: Box, cards: readonly Box[], gapPx: number, lane: number): Route {
  const [a, b] =
    one.top < other.top - 8 || (sameRow(one, other) && one.left < other.left) ? [one, other] : [other, one];
  const shift = lane * lanePx;
  const middle = (box: Box): number => box.left + box.width / 2 + shift;
  if (sameRow(a, b)) {
    const row = cards.filter((card) => sameRow(card, a));
    const between = row.some((card) => card.left > a.left && card.left < b.left);
    if (!between) {
      const y = a.top + titlePx + shift;
      return routeOf(
        [
          { x: a.left + a.width, y },
          { x: b.left, y },
        ],
        true,
      );
    }
    const y = Math.max(...row.map(bottomOf)) + gapPx / 2 + shift;
    return routeOf([
      { x: middle(a), y: bottomOf(a) },
      { x: middle(a), y },
      { x: middle(b), y },
      { x: middle(b), y: bottomOf(b) },
    ]);
  }
  const above = b.top - gapPx / 2 + shift;
  const end = [
    { x: middle(b), y: above },
    { x: middle(b), y: b.top },
  ];
  const start = { x: middle(a), y: bottomOf(a) };
  const hidden = cards.some(
    (card) => card.top > bottomOf(a) - 8 && bottomOf(card) < b.top + 8 && covers(card, middle(a)),
  );
  if (!hidden) return routeOf([start, { x: middle(a), y: above }, ...end]);
  const next = Math.min(...cards.filter((card) => card.top > bottomOf(a) - 8).map((card) => card.top));
  const below = next - gapPx / 2 + shift;
  const channel = a.left <= b.left ? b.left - besidePx : b.left + b.width + besidePx;
  return routeOf([start, { x: middle(a), y: below }, { x: channel, y: below }, { x: channel, y: above }, ...end]);
}

function sameRow(one: Box, other: Box): boolean {
  return Math.abs(one.top - other.top) < 8;
}

function bottomOf(box: Box): number {
  return box.top + box.height;
}

function covers(box: Box, x: number): boolean {
  return box.left < x && x < box.left + box.width;
}

function routeOf(points: readonly Point[], narrow = false): Route {
  let label = points[0] ?? { x: 0, y: 0 };
  let longest = -1;
  for (const [index, from] of points.entries()) {
    const to = points[index + 1];
    if (!to) break;
    const length = Math.abs(to.x - from.x) + Math.abs(to.y - from.y);
    // Labels lie flat, in gutters between rows: only there is the room.
    const weight = length * (from.y === to.y ? 1 : 0.05);
    if (weight <= longest) continue;
    longest = weight;
    label = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
  }
  return { points, label, narrow };
}

/** The route as an SVG path with rounded corners. */
export function pathOf(points: readonly Point[]): string {
  const radius = 6;
  return points
    .map((point, index) => {
      const before = points[index - 1];
      const after = points[index + 1];
      if (!before) return `M${point.x} ${point.y}`;
      if (!after) return `L${point.x} ${point.y}`;
      const enter = towards(point, before, radius);
      const leave = towards(point, after, radius);
      return `L${enter.x} ${enter.y}Q${point.x} ${point.y} ${leave.x} ${leave.y}`;
    })
    .join('');
}

function towards(from: Point, to: Point, by: number): Point {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const share = length === 0 ? 0 : Math.min(by, length / 2) / length;
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}
