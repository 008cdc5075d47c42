import { readFileSync } from 'node:fs';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { prefixEnd, type Operation } from '#etcd/client';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';

/**
 * The embedded store without gRPC, as the API server uses it: `in-process.ts load|fill|reopen DATA`. Prints its figures as
 * one line of JSON. `reopen` opens what `fill` wrote, in a process that did nothing else.
 */
const context = Context.background();
const [mode = 'load', path = ''] = process.argv.slice(2);
const open = (): Promise<EmbeddedEtcd> => EmbeddedEtcd.open({ path, clock: new RealClock(), logger: silentLogger });
const write = (etcd: EmbeddedEtcd, ...success: Operation[]): Promise<unknown> =>
  etcd.txn(context, { compare: [], success, failure: [] });
const put = (key: string, value: Uint8Array): Operation => ({ type: 'put', key, value });

const small = Buffer.alloc(256, 'v');
const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? NaN;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

async function sequentialPutMs(etcd: EmbeddedEtcd): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 1000; i++) times.push(await timed(() => write(etcd, put(`/sequential/${i}`, small))));
  return median(times);
}

async function putsPerSecond(etcd: EmbeddedEtcd, inFlight: number): Promise<number> {
  const count = 60_000;
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < count) await write(etcd, put(`/parallel/${inFlight}/${next++}`, small));
  };
  return count / ((await timed(() => Promise.all(Array.from({ length: inFlight }, writer)))) / 1000);
}

/** From the moment the writer knows that it is on disk until the watcher has the event. */
async function watchDelayMs(etcd: EmbeddedEtcd): Promise<number> {
  const watcher = etcd.watch(context, { key: '/watched/', rangeEnd: prefixEnd('/watched/') });
  const responses = watcher.responses[Symbol.asyncIterator]();
  const delays: number[] = [];
  for (let i = 0; i < 500; i++) {
    const event = responses.next().then(() => performance.now());
    const commit = write(etcd, put(`/watched/${i}`, small)).then(() => performance.now());
    const [atEvent, atCommit] = await Promise.all([event, commit]);
    delays.push(Math.abs(atEvent - atCommit));
  }
  watcher.close();
  return median(delays);
}

async function rangeMs(etcd: EmbeddedEtcd): Promise<number> {
  for (let from = 0; from < 10_000; from += 100) {
    const puts = Array.from({ length: 100 }, (_, i) => put(`/range/${String(from + i).padStart(6, '0')}`, small));
    await write(etcd, ...puts);
  }
  const times: number[] = [];
  for (let i = 0; i < 20; i++)
    times.push(await timed(() => etcd.range(context, { key: '/range/', rangeEnd: prefixEnd('/range/') })));
  return median(times);
}

async function load(): Promise<Record<string, number>> {
  const etcd = await open();
  const figures = {
    'sequential put, p50': await sequentialPutMs(etcd),
    'puts, 64 in flight': await putsPerSecond(etcd, 64),
    'puts, 256 in flight': await putsPerSecond(etcd, 256),
    'commit to watch event, p50': await watchDelayMs(etcd),
    'range of 10,000 keys': await rangeMs(etcd),
  };
  await etcd.close();
  return figures;
}

async function fill(): Promise<Record<string, number>> {
  const large = Buffer.alloc(1024, 'm');
  const etcd = await open();
  for (let from = 0; from < 100_000; from += 100) {
    const puts = Array.from({ length: 100 }, (_, i) => put(`/memory/${String(from + i).padStart(8, '0')}`, large));
    await write(etcd, ...puts);
  }
  await etcd.close();
  return {};
}

async function reopen(): Promise<Record<string, number>> {
  const startedMs = performance.now();
  const etcd = await open();
  await etcd.range(context, { key: '/memory/', limit: 1 });
  const openMs = performance.now() - startedMs;
  const memoryMb = residentMb();
  await etcd.close();
  return { 'reopen 100,000 keys of 1 KB': openMs, '  memory then': memoryMb };
}

function residentMb(): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024;
}

const figures = mode === 'load' ? await load() : mode === 'fill' ? await fill() : await reopen();
process.stdout.write(`${JSON.stringify(figures)}\n`);
