import { describe, expect, it } from 'vitest';
import { AsyncQueue } from '#base/async-queue';
import { SteppedClock, yieldToEventLoop } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { StatusError } from '#api/machinery/status';
import { streamHighMark, type HostFrame } from '#contract/frames';
import type { StoreChange } from '#contract/store';
import type { StreamEvent } from '#contract/watches';
import type { ContractHandlers } from './handlers.ts';
import { Session } from './session.ts';

const change = (revision: number): StreamEvent<StoreChange> => ({
  type: 'ADDED',
  object: { revision, type: 'PUT', key: `/registry/x/${revision}`, size: 1, created: true },
});

function setUp() {
  const source = new AsyncQueue<StreamEvent<StoreChange>>();
  const frames: HostFrame[] = [];
  const clock = new SteppedClock();
  const unexpected = () => Promise.reject(new Error('not asked for in this test'));
  const calls = new Proxy({} as ContractHandlers['calls'], {
    get: (_target, name) =>
      name === 'labs.list'
        ? () => Promise.resolve([])
        : name === 'lab.start'
          ? () => Promise.reject(new StatusError('NotFound', 'no lab "x"'))
          : unexpected,
  });
  const handlers = { calls, watches: { store: () => source } } as unknown as ContractHandlers;
  const session = new Session(Context.background(), {
    handlers,
    clock,
    logger: silentLogger,
    send: (f) => frames.push(f),
  });
  const events = () => frames.flatMap((frame) => (frame.type === 'events' ? frame.events : []));
  return { source, frames, clock, session, events };
}

describe('Session', () => {
  it('answers calls, and passes a Status on as it is', async () => {
    const { session, frames } = setUp();
    session.receive({ type: 'call', id: 1, name: 'labs.list', request: {} });
    session.receive({ type: 'call', id: 2, name: 'lab.start', request: { lab: 'x' } });
    await yieldToEventLoop();
    expect(frames[0]).toEqual({ type: 'response', id: 1, response: [] });
    expect(frames[1]).toMatchObject({ type: 'failure', id: 2, status: { reason: 'NotFound', message: 'no lab "x"' } });
  });

  it('refuses unknown names, unknown fields and wrong types before a handler sees them', async () => {
    const { session, frames } = setUp();
    session.receive({ type: 'call', id: 1, name: 'constructor', request: {} });
    session.receive({ type: 'call', id: 2, name: 'labs.list', request: { extra: 1 } });
    session.receive({ type: 'call', id: 3, name: 'lab.start', request: { lab: '../etc' } });
    session.receive({
      type: 'call',
      id: 4,
      name: 'api.request',
      request: { lab: 'a', method: 'GET', path: 'http://x' },
    });
    await yieldToEventLoop();
    expect(frames.map((frame) => (frame.type === 'failure' ? frame.status.reason : frame.type))).toEqual([
      'NotFound',
      'BadRequest',
      'BadRequest',
      'BadRequest',
    ]);
    expect(() => session.receive('hello')).toThrow('not a frame');
  });

  it('gathers events for one frame', async () => {
    const { session, source, frames, clock } = setUp();
    session.receive({ type: 'watch', id: 5, name: 'store', request: { lab: 'a' } });
    source.push(change(1));
    source.push(change(2));
    await yieldToEventLoop();
    expect(frames).toEqual([]);
    await clock.step(20);
    expect(frames).toEqual([{ type: 'events', id: 5, events: [change(1), change(2)] }]);
  });

  it('stops reading at the high mark until the reader gives credits', async () => {
    const { session, source, clock, events } = setUp();
    session.receive({ type: 'watch', id: 5, name: 'store', request: { lab: 'a' } });
    for (let i = 0; i < streamHighMark + 10; i++) source.push(change(i));
    await clock.step(100);
    expect(events().length).toBe(streamHighMark);
    expect(source.size).toBe(10);
    session.receive({ type: 'credit', id: 5, count: 4 });
    await clock.step(100);
    expect(events().length).toBe(streamHighMark + 4);
    expect(source.size).toBe(6);
  });

  it('tells the end of a stream, and its error as the last event', async () => {
    const { session, source, frames, clock } = setUp();
    session.receive({ type: 'watch', id: 5, name: 'store', request: { lab: 'a' } });
    source.push(change(1));
    source.fail(new StatusError('Expired', 'compacted'));
    await clock.step(100);
    expect(frames).toMatchObject([
      { type: 'events', events: [{ type: 'ADDED' }, { type: 'ERROR', status: { reason: 'Expired' } }] },
      { type: 'end', id: 5 },
    ]);
  });

  it('sends nothing more for what was cancelled', async () => {
    const { session, source, frames, clock } = setUp();
    session.receive({ type: 'watch', id: 5, name: 'store', request: { lab: 'a' } });
    source.push(change(1));
    await yieldToEventLoop();
    session.receive({ type: 'cancel', id: 5 });
    source.push(change(2));
    await clock.step(100);
    expect(frames).toEqual([]);
    session.close();
    session.receive({ type: 'call', id: 6, name: 'labs.list', request: {} });
    await yieldToEventLoop();
    expect(frames).toEqual([]);
  });
});
