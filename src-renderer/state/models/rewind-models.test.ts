import { describe, expect, it } from 'vitest';
import type { RewindSpan, RewindStep } from '#contract/rewind';
import { longestWaitMs, Playback } from './playback.view-model.ts';
import { barsPath, placeOf, revisionAt, revisionForKey, timeNear } from './slider.view-model.ts';

const step = (revision: number, timeMs?: number): RewindStep => ({
  revision,
  exact: timeMs !== undefined,
  ...(timeMs === undefined ? {} : { timeMs }),
  writes: [],
  changes: [],
});
const revisions = (steps: readonly RewindStep[]): readonly number[] => steps.map((one) => one.revision);
/** Advances in ticks of 50 ms and says which revisions came at which time. */
function run(playback: Playback, forMs: number): readonly (readonly [atMs: number, revision: number])[] {
  const seen: (readonly [number, number])[] = [];
  for (let atMs = 50; atMs <= forMs; atMs += 50)
    for (const one of playback.advance(50)) seen.push([atMs, one.revision]);
  return seen;
}

describe('playing', () => {
  it('keeps the rhythm in which revisions were written', () => {
    const playback = new Playback(1000, 1);
    playback.add([step(11, 1100), step(12, 1100), step(13, 1800)]);
    expect(run(playback, 1000)).toEqual([
      [100, 11],
      [100, 12],
      [800, 13],
    ]);
    expect(playback.nowMs).toBe(1800);
  });

  it.each([
    [2, 500],
    [10, 100],
    [100, 50],
  ] as const)('is %i times as fast', (speed, atMs) => {
    const playback = new Playback(0, speed);
    playback.add([step(1, 1000)]);
    expect(run(playback, 2000)).toEqual([[atMs, 1]]);
  });

  it('shortens a silence, says how long it is, and lets the time run through it', () => {
    const playback = new Playback(0, 1);
    playback.add([step(1, 60_000), step(2, 60_100)]);
    expect(run(playback, 1000)).toEqual([]);
    expect(playback.shortenedMs).toBe(60_000);
    expect(playback.nowMs).toBe(30_000);
    expect(run(playback, 2000)).toEqual([
      [longestWaitMs - 1000, 1],
      [longestWaitMs - 1000 + 100, 2],
    ]);
    expect(playback.shortenedMs).toBeUndefined();
  });

  it('changes its speed on the way, and does not rush after a pause of the page', () => {
    const playback = new Playback(0, 1);
    playback.add([step(1, 1000), step(2, 1500), step(3, 2000)]);
    expect(revisions(playback.advance(10_000))).toEqual([]);
    playback.speed = 10;
    expect(run(playback, 200)).toEqual([
      [50, 1],
      [50, 2],
      [50, 3],
    ]);
  });

  it('lets no time pass while it has nothing to play, and goes on when steps come', () => {
    const playback = new Playback(1000, 1);
    expect(run(playback, 5000)).toEqual([]);
    expect(playback.nowMs).toBe(1000);
    playback.add([step(1, 1200)]);
    expect(playback.buffered).toBe(1);
    expect(run(playback, 300)).toEqual([[200, 1]]);
    expect(playback.buffered).toBe(0);
  });

  it('takes revisions without a time, or out of order, as written at once', () => {
    const playback = new Playback(1000, 1);
    playback.add([step(1), step(2, 400), step(3, 1100)]);
    expect(revisions(playback.advance(50))).toEqual([1, 2]);
    expect(revisions(playback.advance(50))).toEqual([3]);
  });
});

describe('the slider', () => {
  const bounds = { oldest: 100, newest: 1100 };
  const plain = { shift: false, ctrl: false };

  it('has a place for each revision and back', () => {
    expect([100, 600, 1100, 5000].map((one) => placeOf(one, 100, 1100))).toEqual([0, 0.5, 1, 1]);
    expect([0, 0.5, 1, 2].map((one) => revisionAt(one, 100, 1100))).toEqual([100, 600, 1100, 1100]);
    expect(placeOf(7, 7, 7)).toBe(1);
  });

  it('steps by one, ten and a hundred, to the oldest and to now', () => {
    const at = (key: string, from = 600, modifiers = plain) => revisionForKey(key, modifiers, from, bounds);
    const shift = { shift: true, ctrl: false };
    expect([at('ArrowLeft'), at('ArrowRight'), at('ArrowLeft', 600, shift), at('PageUp')]).toEqual([
      599, 601, 590, 700,
    ]);
    expect([at('Home'), at('End'), at('ArrowRight', 1099), at('PageDown', 150)]).toEqual([100, 'now', 'now', 100]);
    expect([at('x'), at('ArrowLeft', 600, { shift: false, ctrl: true })]).toEqual([undefined, undefined]);
  });

  const span = (first: number, last: number, changes: number, firstMs?: number, lastMs?: number): RewindSpan => ({
    ...{ first, last, changes, marks: [] },
    ...(firstMs === undefined || lastMs === undefined ? {} : { firstMs, lastMs }),
  });

  it('knows about when a revision was written', () => {
    const spans = [span(100, 199, 1, 0, 1000), span(200, 299, 1), span(300, 399, 1, 5000, 6000)];
    expect(timeNear(100, spans)).toBe(0);
    expect(timeNear(399, spans)).toBe(6000);
    expect(timeNear(250, spans)).toBeUndefined();
    expect(timeNear(250, [])).toBeUndefined();
  });

  it('draws higher what changed more, and cuts off what is compacted', () => {
    const path = barsPath([span(1, 50, 50), span(51, 100, 0), span(101, 150, 50), span(151, 200, 0)], 101, 200);
    expect(path).toBe('M0 100V0H500V100zM500 100V96H1000V100z');
  });
});
