import { describe, expect, it } from 'vitest';
import { Context } from '#base/context';
import type { StreamEvent } from '#contract/watches';
import { keyedStream, type KeyedSource } from './keyed-stream.ts';

interface Thing {
  readonly name: string;
  readonly size: number;
}

class Things implements KeyedSource<Thing> {
  items: Thing[] = [];
  readonly listeners = new Set<() => void>();

  keyOf(thing: Thing): string {
    return thing.name;
  }
  snapshot(): readonly Thing[] {
    return this.items;
  }
  onChange(listener: () => void): { dispose(): void } {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  }
  set(...items: Thing[]): void {
    this.items = items;
    for (const listener of this.listeners) listener();
  }
}

async function take(stream: AsyncIterator<StreamEvent<Thing>>, count: number): Promise<StreamEvent<Thing>[]> {
  const events: StreamEvent<Thing>[] = [];
  while (events.length < count) {
    const next = await stream.next();
    if (next.done) break;
    events.push(next.value);
  }
  return events;
}

describe('keyedStream', () => {
  const a1 = { name: 'a', size: 1 };
  const a2 = { name: 'a', size: 2 };
  const b1 = { name: 'b', size: 1 };

  it('tells what there is, then a bookmark, then differences', async () => {
    const things = new Things();
    things.items = [a1];
    const stream = keyedStream(Context.background(), things)[Symbol.asyncIterator]();
    expect(await take(stream, 2)).toEqual([{ type: 'ADDED', object: a1 }, { type: 'BOOKMARK' }]);
    things.set(a2, b1);
    expect(await take(stream, 2)).toEqual([
      { type: 'MODIFIED', object: a2 },
      { type: 'ADDED', object: b1 },
    ]);
    things.set(b1);
    expect(await take(stream, 1)).toEqual([{ type: 'DELETED', object: a2 }]);
  });

  it('tells a slow reader the last state only, and nothing when nothing is different', async () => {
    const things = new Things();
    const stream = keyedStream(Context.background(), things)[Symbol.asyncIterator]();
    await take(stream, 1);
    things.set(a1);
    things.set(a2);
    things.set({ ...a2 });
    expect(await take(stream, 1)).toEqual([{ type: 'ADDED', object: a2 }]);
    things.set({ ...a2 });
    things.set({ ...a2 }, b1);
    expect(await take(stream, 1)).toEqual([{ type: 'ADDED', object: b1 }]);
  });

  it('ends with its context and stops listening', async () => {
    const things = new Things();
    const { context, cancel } = Context.background().withCancel();
    const stream = keyedStream(context, things)[Symbol.asyncIterator]();
    await take(stream, 1);
    const ending = stream.next();
    cancel();
    expect((await ending).done).toBe(true);
    expect(things.listeners.size).toBe(0);
  });
});
