import { describe, expect, it } from 'vitest';
import { pathOf, routeBetween, type Box, type Point } from './link-route.view-model.ts';

/** Three columns and two rows of cards, 100 by 100, 40 apart, with the API server above the middle. */
const box = (column: number, row: number): Box => ({
  left: column * 140,
  top: 100 + row * 140,
  width: 100,
  height: 100,
});
const api: Box = { left: 150, top: 0, width: 80, height: 50 };
const cards = [api, ...[0, 1].flatMap((row) => [0, 1, 2].map((column) => box(column, row)))];

function crosses(points: readonly Point[], card: Box): boolean {
  const inside = ({ x, y }: Point): boolean =>
    x > card.left + 1 && x < card.left + card.width - 1 && y > card.top + 1 && y < card.top + card.height - 1;
  return points.some((from, index) => {
    const to = points[index + 1];
    if (!to) return false;
    return Array.from({ length: 51 }, (_one, step) => step / 50).some((share) =>
      inside({ x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share }),
    );
  });
}

describe('lines between cards', () => {
  it('joins neighbours straight over the gutter', () => {
    const route = routeBetween(box(1, 0), box(0, 0), cards, 40, 0);
    expect(route).toEqual({
      points: [
        { x: 100, y: 124 },
        { x: 140, y: 124 },
      ],
      label: { x: 120, y: 124 },
      narrow: true,
    });
  });

  it('crosses no card on the way, wherever its ends are', () => {
    for (const from of cards)
      for (const to of cards) {
        if (from === to) continue;
        const { points } = routeBetween(from, to, cards, 40, 0);
        for (const card of cards) expect(crosses(points, card), JSON.stringify({ from, to, card })).toBe(false);
      }
  });

  it('is the same line from either end', () => {
    expect(routeBetween(api, box(2, 1), cards, 40, 0)).toEqual(routeBetween(box(2, 1), api, cards, 40, 0));
  });

  it('draws rounded corners', () => {
    expect(
      pathOf([
        { x: 0, y: 0 },
        { x: 0, y: 20 },
        { x: 20, y: 20 },
      ]),
    ).toBe('M0 0L0 14Q0 20 6 20L20 20');
  });
});
