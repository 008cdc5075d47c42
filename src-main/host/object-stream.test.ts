import { describe, expect, it } from 'vitest';
import type { KubeObject, WatchEvent } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import { AsyncQueue } from '#base/async-queue';
import { yieldToEventLoop } from '#base/clock';
import { Context } from '#base/context';
import type { Transport } from '#client/transport';
import type { StreamEvent } from '#contract/watches';
import { collectionPath, objectStream } from './object-stream.ts';

const request = { lab: 'lab', group: '', version: 'v1', resource: 'pods' };

function pod(name: string, version: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, uid: `uid-${name}`, resourceVersion: version } };
}

function listing(items: readonly KubeObject[]): {
  transport: Transport;
  frames: AsyncQueue<WatchEvent>;
  asked: string[];
} {
  const frames = new AsyncQueue<WatchEvent>();
  const asked: string[] = [];
  const transport: Transport = {
    request: async (_context, { path }) => {
      asked.push(path);
      return { apiVersion: 'v1', kind: 'PodList', metadata: { resourceVersion: '10' }, items };
    },
    watch: async (_context, { path, query }) => {
      asked.push(`${path}?resourceVersion=${query?.['resourceVersion'] ?? ''}`);
      return frames;
    },
  };
  return { transport, frames, asked };
}

async function take(stream: AsyncIterator<StreamEvent<KubeObject>>, count: number): Promise<StreamEvent<KubeObject>[]> {
  const events: StreamEvent<KubeObject>[] = [];
  while (events.length < count) {
    const next = await stream.next();
    if (next.done) break;
    events.push(next.value);
  }
  return events;
}

describe('objectStream', () => {
  it('lists, then watches from the version of the list', async () => {
    const { transport, frames, asked } = listing([pod('a', '5')]);
    const stream = objectStream(Context.background(), transport, request);
    expect(await take(stream, 2)).toEqual([{ type: 'ADDED', object: pod('a', '5') }, { type: 'BOOKMARK' }]);
    frames.push({ type: 'MODIFIED', object: pod('a', '11') });
    expect(await take(stream, 1)).toEqual([{ type: 'MODIFIED', object: pod('a', '11') }]);
    expect(asked).toEqual(['/api/v1/pods', '/api/v1/pods?resourceVersion=10']);
  });

  it('keeps only the last state of each object while nobody reads', async () => {
    const { transport, frames } = listing([]);
    const stream = objectStream(Context.background(), transport, request);
    await take(stream, 1);
    frames.push({ type: 'ADDED', object: pod('first', '11') });
    expect(await take(stream, 1)).toHaveLength(1);
    frames.push({ type: 'ADDED', object: pod('b', '12') });
    frames.push({ type: 'MODIFIED', object: pod('b', '13') });
    frames.push({ type: 'ADDED', object: pod('gone', '14') });
    frames.push({ type: 'DELETED', object: pod('gone', '15') });
    frames.push({ type: 'DELETED', object: pod('first', '16') });
    while (frames.size > 0) await yieldToEventLoop();
    expect(await take(stream, 2)).toEqual([
      { type: 'ADDED', object: pod('b', '13') },
      { type: 'DELETED', object: pod('first', '16') },
    ]);
  });

  it('ends with the error of the watch, after what was still to tell', async () => {
    const { transport, frames } = listing([]);
    const stream = objectStream(Context.background(), transport, request);
    await take(stream, 1);
    frames.push({ type: 'ADDED', object: pod('a', '11') });
    frames.fail(new StatusError('Expired', 'too old'));
    const events = await take(stream, 3);
    expect(events).toMatchObject([{ type: 'ADDED' }, { type: 'ERROR', status: { reason: 'Expired', code: 410 } }]);
  });

  it('names collections as the API server does', () => {
    expect(collectionPath({ ...request, namespace: 'shop' })).toBe('/api/v1/namespaces/shop/pods');
    expect(collectionPath({ group: 'apps', version: 'v1', resource: 'deployments' })).toBe('/apis/apps/v1/deployments');
  });
});
