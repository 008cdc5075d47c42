import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RealClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import { frame } from '#etcd/rpc/grpc/framing';
import { methods, type RpcMethod } from '#etcd/rpc/methods';
import { decodeMessage, encodeMessage } from '#etcd/rpc/schema';
import { EtcdRpcServer } from '#etcd/rpc/server';
import { etcdTls, makeEtcdCertificates } from '../../harness/etcd-certificates.ts';
import { EtcdGrpc } from '../../harness/etcd-grpc.ts';
import { onPath } from '../../harness/programs.ts';
import { etcdProgram, RealEtcd } from '../../harness/real-etcd.ts';
import { watchSteps, WatchTranscript } from './watch-transcript.ts';
import { wireSteps } from './wire-steps.ts';

const openssl = onPath('openssl', 'apt-get install openssl');
const isMissing = etcdProgram.path === undefined || openssl.path === undefined;

/** Every answer of the embedded store's port beside that of Debian's etcd, message by message. */
describe.skipIf(isMissing)('on the wire', () => {
  const directory = mkdtempSync(join(tmpdir(), 'drydock-wire-'));
  let real: RealEtcd;
  let store: EmbeddedEtcd;
  let server: EtcdRpcServer;
  let clients: readonly [etcd: EtcdGrpc, ours: EtcdGrpc];

  beforeAll(async () => {
    makeEtcdCertificates(directory);
    const clock = new RealClock();
    store = await EmbeddedEtcd.open({ path: join(directory, 'store'), clock, logger: silentLogger });
    const tls = etcdTls(directory);
    const { maintenance } = store;
    const options = { tls, host: '127.0.0.1', port: 0, clock, logger: silentLogger, progressIntervalMs: 300 };
    server = new EtcdRpcServer({ etcd: store, maintenance, ...options });
    await server.start();
    real = await RealEtcd.start();
    clients = [new EtcdGrpc(real.endpoint), new EtcdGrpc(server.endpoint, tls)];
  });

  afterAll(async () => {
    for (const client of clients) client.close();
    await server.stop();
    await store.close();
    await real.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each(wireSteps)('$title', async ({ method, message }) => {
    const request = frame(encodeMessage(method.request, message));
    const [etcd, ours] = await Promise.all(
      clients.map(async (client) => readable(method, await client.answer(method.path, request))),
    );
    expect(ours).toEqual(etcd);
  });

  const get = frame(encodeMessage('RangeRequest', { key: Buffer.from('a') }));
  const range = methods.kv.range.path;
  it.each([
    ['an unknown method', '/etcdserverpb.KV/Nope', get, {}],
    ['an unknown service', '/nope.Nope/Nope', get, {}],
    ['a compressed message', range, Buffer.concat([Buffer.from([1]), get.subarray(1)]), {}],
    ['an encoding', range, get, { 'grpc-encoding': 'gzip' }],
    ['another content type of gRPC', range, get, { 'content-type': 'application/grpc+proto' }],
    ['the health check', methods.health.check.path, frame(Buffer.alloc(0)), {}],
    [
      'an unknown health check',
      methods.health.check.path,
      frame(encodeMessage('HealthCheckRequest', { service: 'x' })),
      {},
    ],
  ])('%s', async (_title, path, request, headers) => {
    const [etcd, ours] = await Promise.all(
      clients.map(async (client) => {
        const { status, message } = await client.answer(path, request, headers);
        return { status, message };
      }),
    );
    expect(ours).toEqual(etcd);
  });

  it('refuses what is no gRPC, and bytes that are no message', async () => {
    const [, ours] = clients;
    expect(await ours.answer(range, get, { 'content-type': 'text/plain' })).toMatchObject({ status: 415 });
    const broken = await ours.answer(range, frame(Buffer.from([0xff, 0xff])));
    expect(broken.status).toBe(13);
    expect(broken.message).toContain('grpc: error unmarshalling request');
  });

  it('answers a watch stream as etcd does, message by message', async () => {
    const [etcd, ours] = await Promise.all(
      clients.map(async (client) => {
        const transcript = await WatchTranscript.open(client);
        for (const step of watchSteps) await step(transcript);
        return transcript.close();
      }),
    );
    expect(ours).toEqual(etcd);
  });

  it('tells an idle watch that asked for it the revision, by timer', async () => {
    const [, ours] = clients;
    const transcript = await WatchTranscript.open(ours);
    await transcript.send({ create_request: { key: Buffer.from('idle'), progress_notify: true } }, 1);
    await transcript.messages(3);
    const [created, ...notes] = transcript.close();
    expect(created).toMatchObject({ created: true });
    expect(notes.slice(0, 2)).toMatchObject([
      { watch_id: '0', events: [] },
      { watch_id: '0', events: [] },
    ]);
  });

  it('ends a call at its deadline, and gives up its place in the line', async () => {
    const [, ours] = clients;
    const request = frame(encodeMessage('LockRequest', { name: Buffer.from('held') }));
    await ours.call(methods.lock.lock, request);
    const { status, message } = await ours.answer(methods.lock.lock.path, request, { 'grpc-timeout': '200m' });
    expect({ status, message }).toEqual({ status: 4, message: 'context deadline exceeded' });
    const line = frame(encodeMessage('RangeRequest', { key: Buffer.from('held/'), range_end: Buffer.from('held0') }));
    const waiting = async (): Promise<number> =>
      decodeMessage<{ kvs: object[] }>('RangeResponse', await ours.call(methods.kv.range, line)).kvs.length;
    await expect.poll(waiting, { timeout: 10_000 }).toBe(1);
  });

  it('splits what is too large for one message when asked to', async () => {
    const [, ours] = clients;
    const value = Buffer.alloc(1_000_000);
    const from = (await ours.revision()) + 1;
    for (let i = 0; i < 3; i++) await ours.put(`fragment/${i}`, value);
    const transcript = await WatchTranscript.open(ours);
    const key = Buffer.from('fragment/');
    const create = { key, range_end: Buffer.from('fragment0'), start_revision: from, fragment: true };
    await transcript.send({ create_request: create }, 4);
    expect(transcript.close().map(({ fragment, events }) => [fragment, events.length])).toEqual([
      [false, 0],
      [true, 1],
      [true, 1],
      [false, 1],
    ]);
  });
});

/** Without what no two etcds have in common, and the order in which nobody promised to list leases. */
function readable(method: RpcMethod, answer: { status: number; message: string; bytes: Buffer }): object {
  const { status, message, bytes } = answer;
  if (status !== 0) return { status, message };
  const { header, ...content } = decodeMessage<{ header?: { revision: string }; leases?: { ID: string }[] }>(
    method.response,
    bytes,
  );
  content.leases?.sort((a, b) => Number(BigInt(a.ID) - BigInt(b.ID)));
  // etcd 3.4 forgets the header of alarms and defragmentation.
  const isHeaderless = method === methods.maintenance.alarm || method === methods.maintenance.defragment;
  // Each store has a checksum of its own making.
  const hash = 'hash' in content ? { hash: 0, hash_revision: 0 } : {};
  return { ...content, ...hash, ...(isHeaderless ? {} : { revision: header?.revision }) };
}
