/** Arrow keys walk between elements marked `data-walk`, to whichever lies nearest in that direction. */

const directions: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Moves the focus; false when `key` is no arrow or there is nowhere to go. Enters at the first element. */
export function walk(root: HTMLElement, key: string): boolean {
  const direction = directions[key];
  if (!direction) return false;
  const all = [...root.querySelectorAll<HTMLElement>('[data-walk]')];
  const current = document.activeElement;
  const from = all.find((element) => element === current);
  const next = from ? nearest(from, all, direction) : all[0];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  return next !== undefined;
}

function nearest(
  from: HTMLElement,
  all: readonly HTMLElement[],
  [dx, dy]: readonly [number, number],
): HTMLElement | undefined {
  const start = anchorOf(from);
  let best: HTMLElement | undefined;
  let bestCost = Infinity;
  for (const element of all) {
    if (element === from) continue;
    const end = anchorOf(element);
    const along = (end.x - start.x) * dx + (end.y - start.y) * dy;
    const across = Math.abs((end.x - start.x) * dy) + Math.abs((end.y - start.y) * dx);
    if (along < 4) continue;
    const cost = along + across * 2.5;
    if (cost < bestCost) [best, bestCost] = [element, cost];
  }
  return best;
}

/** The top left is where a person reads; the middle of a tall node would be far from its own pods. */
function anchorOf(element: HTMLElement): { x: number; y: number } {
  const box = element.getBoundingClientRect();
  return { x: box.left + Math.min(box.width, 60) / 2, y: box.top + Math.min(box.height, 60) / 2 };
}
