import { afterEach, beforeEach, describe } from 'vitest';
import { Bench, type Target } from './bench.ts';
import { containerTests } from './containers.ts';
import { imageTests } from './images.ts';
import { isolationTests } from './isolation.ts';
import { logTests } from './logs.ts';
import { sandboxTests } from './sandboxes.ts';
import { streamTests } from './streams.ts';

/** What every runtime behind the CRI interface promises. */
export function criConformance(target: Target): void {
  describe(`CRI v1: ${target.name}`, () => {
    const bench = new Bench(target);
    beforeEach(() => bench.setUp());
    afterEach(() => bench.tearDown());
    describe('sandboxes', () => sandboxTests(bench));
    describe('containers', () => containerTests(bench));
    describe('isolation', () => isolationTests(bench));
    describe('logs', () => logTests(bench));
    describe('streams', () => streamTests(bench));
    describe('images', () => imageTests(bench));
  });
}
