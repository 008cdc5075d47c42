import { beforeEach, describe, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { SinkLogger, type LogEntry } from '#base/logger';
import { MachineError } from './errors.ts';
import { FaultBook, type InjectedFault } from './fault-book.ts';
import type { FaultSpec } from './faults.ts';

const context = Context.background();
const minute = 60_000;
const cut: FaultSpec = { kind: 'cut', from: 'worker-1', to: 'worker-2' };
const off = (node: string): FaultSpec => ({ kind: 'node', node, action: 'kill' });
const nameOf = (spec: FaultSpec): string => (spec.kind === 'node' ? spec.node : spec.kind);

/** What a driver would do, and when: `heal cut`, `letGo worker-1`. */
class Driver {
  readonly did: string[] = [];
  /** By the name of the fault; `over` ends it without a heal. */
  readonly over = new Map<string, (why: string) => void>();
  readonly refuses = new Set<string>();
  injecting: Promise<void> = Promise.resolve();

  readonly inject = async (_context: Context, spec: FaultSpec, id: string): Promise<InjectedFault> => {
    const name = nameOf(spec);
    await this.injecting;
    if (this.refuses.has(`inject ${name}`)) throw new MachineError('UNSUPPORTED', `no ${name} here`);
    const ended = new Promise<string>((resolve) => this.over.set(name, resolve));
    const done = async (what: string): Promise<void> => {
      await Promise.resolve();
      this.did.push(`${what} ${name}`);
      if (this.refuses.has(`${what} ${name}`)) throw new MachineError('UNREACHABLE', 'it does not answer');
    };
    return {
      ...{ text: `${id} breaks ${name}`, ended, heal: () => done('heal') },
      ...(spec.kind === 'node' ? { letGo: () => done('letGo') } : {}),
    };
  };
}

describe('FaultBook', () => {
  let clock: SteppedClock;
  let driver: Driver;
  let book: FaultBook;
  let logged: LogEntry[];
  beforeEach(() => {
    clock = new SteppedClock();
    driver = new Driver();
    logged = [];
    const logger = new SinkLogger(clock, (entry) => logged.push(entry));
    book = new FaultBook({ inject: driver.inject, clock, logger });
  });
  const states = (): readonly string[] => book.list().map(({ id, state }) => `${id} ${state}`);

  it('gives each fault an id, a sentence and an end', async () => {
    const seen: string[] = [];
    book.onChange(() => seen.push(states().join()));
    const first = await book.add(context, cut, minute);
    expect(first).toMatchObject({ id: 'f-1', state: 'active', text: 'f-1 breaks cut', spec: cut });
    expect(first.expiresAtMs - first.sinceMs).toBe(minute);
    await book.add(context, off('worker-1'), minute);
    expect(states()).toEqual(['f-1 active', 'f-2 active']);
    expect(seen.slice(0, 2)).toEqual(['f-1 applying', 'f-1 active']);
  });

  it('heals what has expired, and not a moment before', async () => {
    await book.add(context, cut, minute);
    await clock.step(minute - 1);
    expect([driver.did, states()]).toEqual([[], ['f-1 active']]);
    await clock.step(1);
    expect([driver.did, states()]).toEqual([['heal cut'], ['f-1 healed']]);
  });

  it('tries again when what has expired cannot be healed', async () => {
    driver.refuses.add('heal cut');
    await book.add(context, cut, minute);
    await clock.step(minute);
    expect(book.list()[0]).toMatchObject({ state: 'active', text: 'not healed: it does not answer' });
    expect(logged).toMatchObject([{ level: 'warn', fields: { fault: 'f-1', error: 'it does not answer' } }]);
    driver.refuses.clear();
    await clock.step(15_000);
    expect([driver.did, states()]).toEqual([['heal cut', 'heal cut'], ['f-1 healed']]);
  });

  it('heals once, however often and by whom it is asked', async () => {
    await book.add(context, cut, minute);
    await Promise.all([book.heal(context, 'f-1'), book.heal(context, 'f-1'), clock.step(minute)]);
    await book.heal(context, 'f-1');
    expect(driver.did).toEqual(['heal cut']);
    expect(book.list()[0]?.text).toBe('f-1 breaks cut: healed');
  });

  it('says that a heal failed, and lets it be tried again', async () => {
    driver.refuses.add('heal cut');
    await book.add(context, cut, minute);
    await expect(book.heal(context, 'f-1')).rejects.toThrow('it does not answer');
    expect(states()).toEqual(['f-1 active']);
    driver.refuses.clear();
    await book.heal(context, 'f-1');
    expect(states()).toEqual(['f-1 healed']);
  });

  it('names what can be healed when asked for what cannot', async () => {
    await expect(book.heal(context, 'f-9')).rejects.toThrow('there is no fault f-9: none is active');
    await book.add(context, cut, minute);
    await expect(book.heal(context, 'f-9')).rejects.toMatchObject({
      ...{ code: 'INVALID', message: 'there is no fault f-9: active are f-1' },
    });
  });

  it('ends what ended by itself, and forgets it after a while to read it', async () => {
    await book.add(context, cut, 60 * minute);
    driver.over.get('cut')?.('over: worker-1 went away');
    await clock.step(0);
    expect(book.list()[0]).toMatchObject({ state: 'healed', text: 'f-1 breaks cut: over: worker-1 went away' });
    await clock.step(5 * minute - 1);
    expect(states()).toEqual(['f-1 healed']);
    await clock.step(1);
    expect([states(), driver.did, clock.pendingTimers]).toEqual([[], [], 0]);
  });

  it('keeps what could not be done for a while, with the reason', async () => {
    driver.refuses.add('inject cut');
    await expect(book.add(context, cut, minute)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(book.list()).toMatchObject([{ id: 'f-1', state: 'failed', text: 'no cut here' }]);
    await book.heal(context, 'f-1');
    await clock.step(5 * minute);
    expect(states()).toEqual([]);
  });

  it.each([0, 999, 24 * 60 * minute + 1, Number.NaN])('refuses a time of %s ms', async (forMs) => {
    await expect(book.add(context, cut, forMs)).rejects.toMatchObject({ code: 'INVALID' });
    expect(states()).toEqual([]);
  });

  it('heals the machines before what lies inside them when the lab stops, and leaves off what is off', async () => {
    await book.add(context, cut, minute);
    await book.add(context, off('worker-1'), minute);
    await book.close(context);
    expect(driver.did).toEqual(['letGo worker-1', 'heal cut']);
    expect([states(), clock.pendingTimers]).toEqual([['f-1 healed', 'f-2 healed'], 0]);
  });

  it('stops a lab although something cannot be healed, and says what', async () => {
    driver.refuses.add('heal cut');
    await book.add(context, cut, minute);
    await book.close(context);
    expect(logged).toMatchObject([{ level: 'warn', fields: { fault: 'f-1' } }]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('takes back at once what came into place while the lab stopped', async () => {
    let place = (): void => undefined;
    driver.injecting = new Promise((resolve) => (place = resolve));
    const adding = book.add(context, cut, minute);
    await book.close(context);
    place();
    await expect(adding).rejects.toThrow(/the lab stops/);
    expect([driver.did, states()]).toEqual([['heal cut'], ['f-1 failed']]);
  });

  it('heals a machine that somebody starts, and that one only', async () => {
    await book.add(context, off('worker-1'), minute);
    await book.add(context, off('worker-2'), minute);
    await book.add(context, cut, minute);
    await book.healNode(context, 'worker-1');
    expect(driver.did).toEqual(['heal worker-1']);
    expect(states()).toEqual(['f-1 healed', 'f-2 active', 'f-3 active']);
  });

  it('starts no machine that is removed', async () => {
    await book.add(context, off('worker-1'), minute);
    book.forgetNode('worker-1');
    await clock.step(minute);
    expect(driver.did).toEqual(['letGo worker-1']);
    expect(book.list()[0]?.text).toBe('f-1 breaks worker-1: worker-1 was removed');
  });
});
