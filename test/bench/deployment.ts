import { monitorEventLoopDelay } from 'node:perf_hooks';

export const replicas = 500;

export interface DeploymentFigures {
  readonly readyMs: number;
  readonly longestStallMs: number;
}

const resolutionMs = 1;

/** Begins to watch the event loop; the function it gives tells the longest stall since, in milliseconds. */
export function measureStalls(): () => number {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  return () => Math.max(0, histogram.max / 1e6 - resolutionMs);
}

export function report(figures: DeploymentFigures): void {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}
