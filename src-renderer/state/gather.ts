/** Least time between two updates of the screen from streams; a person sees no difference, a busy lab a large one. */
const updateMs = 60;

let waiting: (() => void)[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;
let lastMs = -Infinity;

/**
 * Runs `change` together with those of all other streams, so that a burst of small batches makes one update of the screen
 * instead of one each. The first after a quiet time runs at once. Order is kept.
 */
export function gather(change: () => void): void {
  waiting.push(change);
  if (timer !== undefined) return;
  timer = setTimeout(run, Math.max(0, lastMs + updateMs - performance.now()));
}

function run(): void {
  timer = undefined;
  const changes = waiting;
  waiting = [];
  for (const change of changes) change();
  // What the changes made Svelte draw is done in a microtask; the pause begins after that.
  setTimeout(() => (lastMs = performance.now()), 0);
  lastMs = performance.now();
}
