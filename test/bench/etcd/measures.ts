import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { frame } from '#etcd/rpc/grpc/framing';
import { methods } from '#etcd/rpc/methods';
import { encodeMessage } from '#etcd/rpc/schema';
import { EtcdGrpc } from '../../harness/etcd-grpc.ts';
import { countEvents } from './count-events.ts';
import { h2load } from './h2load.ts';
import type { StoreProcess } from './stores.ts';

/** Figures of one round, by the row they belong to. */
export type Figures = Readonly<Record<string, number>>;

const value = Buffer.alloc(256, 'v');
const watchedKeys = 300;
const fanOutWatches = 100;
const fanOutPuts = 600;

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** The native client: puts and compare-and-swaps of one key, gets of it. */
export async function nativeLoad(store: StoreProcess, directory: string, round: number): Promise<Figures> {
  const key = Buffer.from(`/bench/native/${round}`);
  const body = (name: string, message: string, content: object): string => {
    const file = join(directory, name);
    writeFileSync(file, frame(encodeMessage(message, content)));
    return file;
  };
  const put = body('put', 'PutRequest', { key, value });
  const swap = body('swap', 'TxnRequest', {
    compare: [{ result: 0, target: 3, key, value }],
    success: [{ request_put: { key, value } }],
    failure: [{ request_range: { key } }],
  });
  const get = body('get', 'RangeRequest', { key });
  const { endpoint } = store;
  const puts = { endpoint, path: methods.kv.put.path, body: put };
  const [swaps, gets] = [methods.kv.txn.path, methods.kv.range.path];
  const client = new EtcdGrpc(endpoint);
  const before = await client.revision();
  const figures = {
    'puts, 64 in flight (h2load)': await h2load({ ...puts, requests: 12_000, inFlight: 64 }),
    'puts, 256 in flight (h2load)': await h2load({ ...puts, requests: 20_000, inFlight: 256 }),
    'compare-and-swap, 64 in flight (h2load)': await h2load({
      endpoint,
      path: swaps,
      body: swap,
      requests: 10_000,
      inFlight: 64,
    }),
    'gets, 64 in flight (h2load)': await h2load({ endpoint, path: gets, body: get, requests: 20_000, inFlight: 64 }),
  };
  // h2load sees HTTP 200 also where gRPC says no: each write must have made a revision.
  const made = (await client.revision()) - before;
  client.close();
  if (made !== 42_000) throw new Error(`${store.name}: 42000 writes made ${made} revisions`);
  return figures;
}

/** One caller that waits for each answer; and the Node client with many. */
export async function nodeLoad(store: StoreProcess, round: number): Promise<Figures> {
  const client = new EtcdGrpc(store.endpoint);
  const times: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const startedMs = performance.now();
    await client.put(`/bench/sequential/${round}/${i}`, value);
    times.push(performance.now() - startedMs);
  }
  let next = 0;
  const startedMs = performance.now();
  const writer = async (): Promise<void> => {
    while (next < 6000) await client.put(`/bench/parallel/${round}/${next++}`, value);
  };
  await Promise.all(Array.from({ length: 64 }, writer));
  const elapsedMs = performance.now() - startedMs;
  client.close();
  return {
    'sequential put, p50': percentile(times, 0.5),
    'sequential put, p99': percentile(times, 0.99),
    'puts, 64 in flight (Node)': 6000 / (elapsedMs / 1000),
  };
}

/** Once, before {@link rangeLoad}: 10,000 keys with values of 256 bytes. */
export async function fillRange(store: StoreProcess): Promise<void> {
  const client = new EtcdGrpc(store.endpoint);
  await fill(client, '/bench/range/', 10_000, value);
  client.close();
}

export async function rangeLoad(store: StoreProcess): Promise<Figures> {
  const client = new EtcdGrpc(store.endpoint);
  const request = { key: Buffer.from('/bench/range/'), range_end: Buffer.from('/bench/range0') };
  const times: number[] = [];
  for (let i = 0; i < 10; i++) {
    const startedMs = performance.now();
    const answer = await client.call(methods.kv.range, frame(encodeMessage('RangeRequest', request)));
    times.push(performance.now() - startedMs);
    if (answer.length < 10_000 * value.length) throw new Error(`${store.name}: the range came short`);
  }
  client.close();
  return { 'range of 10,000 keys': percentile(times, 0.5) };
}

/** From before a put is sent until its event is there; then one put after the other into 100 watches of a stream. */
export async function watchLoad(store: StoreProcess, round: number): Promise<Figures> {
  const client = new EtcdGrpc(store.endpoint);
  const times: number[] = [];
  let arrived = (): void => {};
  const prefix = `/bench/watch/${round}/`;
  const one = await client.watch(prefix, 1, () => arrived());
  for (let i = 0; i < watchedKeys; i++) {
    const event = new Promise<void>((resolve) => (arrived = resolve));
    const startedMs = performance.now();
    const put = client.put(`${prefix}${i}`, value);
    await event;
    times.push(performance.now() - startedMs);
    await put;
  }
  one.close();
  const perSecond = await fanOut(client, `/bench/fan-out/${round}/`);
  client.close();
  return {
    'put to watch event, p50': percentile(times, 0.5),
    'put to watch event, p99': percentile(times, 0.99),
    'events to 100 watches': perSecond,
  };
}

async function fanOut(client: EtcdGrpc, prefix: string): Promise<number> {
  let events = 0;
  let done = (): void => {};
  const all = new Promise<void>((resolve) => (done = resolve));
  const stream = await client.watch(prefix, fanOutWatches, (message) => {
    events += countEvents(message);
    if (events === fanOutWatches * fanOutPuts) done();
  });
  const startedMs = performance.now();
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < fanOutPuts) await client.put(`${prefix}${next++}`, value);
  };
  await Promise.all([...Array.from({ length: 16 }, writer), all]);
  const elapsedMs = performance.now() - startedMs;
  stream.close();
  return events / (elapsedMs / 1000);
}

/** 100,000 keys with values of 1 KB, in transactions of 100; then the store is opened again. */
export async function memoryLoad(store: StoreProcess): Promise<Figures> {
  const client = new EtcdGrpc(store.endpoint);
  await fill(client, '/bench/memory/', 100_000, Buffer.alloc(1024, 'm'));
  client.close();
  const loaded = store.memoryMb();
  await store.stop();
  const restartMs = await store.start();
  const reopened = store.memoryMb();
  return {
    'memory with 100,000 keys of 1 KB': loaded.all,
    '  without mapped files': loaded.own,
    'restart with them': restartMs,
    'memory after the restart': reopened.all,
    '  without mapped files, after': reopened.own,
  };
}

async function fill(client: EtcdGrpc, prefix: string, count: number, content: Buffer): Promise<void> {
  const batch = 100;
  for (let from = 0; from < count; from += batch) {
    const success = Array.from({ length: batch }, (_, i) => ({
      request_put: { key: Buffer.from(`${prefix}${String(from + i).padStart(8, '0')}`), value: content },
    }));
    await client.call(methods.kv.txn, frame(encodeMessage('TxnRequest', { success })));
  }
}
