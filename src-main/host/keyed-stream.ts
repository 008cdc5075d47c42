import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { jsonEqual } from '#base/freeze';
import type { StreamEvent } from '#contract/watches';

/** A set of things that changes: what there is now, and a call when that may be different. */
export interface KeyedSource<T> {
  keyOf(item: T): string;
  snapshot(): readonly T[];
  onChange(listener: () => void): Disposable;
}

/**
 * A source as a contract stream: everything there is, a BOOKMARK, then differences. Nothing is gathered while the reader
 * makes us wait: the next read compares the newest state with the last one sent.
 */
export async function* keyedStream<T>(context: Context, source: KeyedSource<T>): AsyncGenerator<StreamEvent<T>> {
  let wake: (() => void) | undefined;
  let dirty = false;
  const notify = (): void => {
    dirty = true;
    wake?.();
  };
  const registrations = [source.onChange(notify), context.onEnd(notify)];
  try {
    const sent = new Map<string, T>();
    for (const item of source.snapshot()) {
      sent.set(source.keyOf(item), item);
      yield { type: 'ADDED', object: item };
    }
    yield { type: 'BOOKMARK' };
    while (!context.ended) {
      if (!dirty) await new Promise<void>((resolve) => (wake = resolve));
      dirty = false;
      yield* differences(source, sent);
    }
  } finally {
    for (const registration of registrations) registration.dispose();
  }
}

function* differences<T>(source: KeyedSource<T>, sent: Map<string, T>): Generator<StreamEvent<T>> {
  const now = new Map(source.snapshot().map((item) => [source.keyOf(item), item]));
  for (const [key, item] of [...sent]) {
    if (now.has(key)) continue;
    sent.delete(key);
    yield { type: 'DELETED', object: item };
  }
  for (const [key, item] of now) {
    const before = sent.get(key);
    if (before !== undefined && jsonEqual(before, item)) continue;
    sent.set(key, item);
    yield { type: before === undefined ? 'ADDED' : 'MODIFIED', object: item };
  }
}
