import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { loadOrCreatePki, type ClusterPki } from '#cluster/pki';
import { ExternalStore } from '#cluster/stores/external-store';
import { LocalStore } from '#cluster/stores/local-store';
import type { ExternalEndpoints } from '#cluster/stores/store-config';
import { EtcdError, prefixEnd, revision, type TxnRequest } from '#etcd/client';
import { RemoteEtcd } from '#etcd/remote/remote-etcd';
import { skipWithout } from '../../harness/programs.ts';
import { etcdProgram, freePorts } from '../../harness/real-etcd.ts';

const context = Context.background();
const clock = new RealClock();
const random = new SeededRandom(7);
const put = (key: string, value: string, record?: string): TxnRequest => ({
  compare: [],
  success: [{ type: 'put', key, value: Buffer.from(value) }],
  failure: [],
  ...(record === undefined ? {} : { record }),
});
const soon = { timeout: 15_000, interval: 50 };

/** Three members of Debian's etcd with TLS: what the client makes of members that die, freeze and come back. */
describe.skipIf(skipWithout(etcdProgram))('the client of a real etcd', () => {
  let folder: string;
  let pki: ClusterPki;
  let store: LocalStore;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'drydock-remote-'));
    pki = await loadOrCreatePki(join(folder, 'pki'), clock.now());
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = await freePorts(6);
    const ports = [
      { client: a, peer: b },
      { client: c, peer: d },
      { client: e, peer: f },
    ];
    store = new LocalStore({ lab: 'remote', folder, ports, pki, clock, random, logger: silentLogger });
    await store.start(context);
  });
  afterAll(async () => {
    await store.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const leader = async () => {
    await expect.poll(() => store.members.filter((one) => one.note === 'leader').length, soon).toBe(1);
    return store.members.findIndex((one) => one.note === 'leader');
  };

  it('keeps what was acknowledged and watches without loss or duplicate while each member dies in turn', async () => {
    const watched: string[] = [];
    const watcher = store.client.watch(context, { key: 'load/', rangeEnd: prefixEnd('load/') });
    const watching = (async () => {
      for await (const { events } of watcher.responses)
        for (const { kv } of events) watched.push(`${kv.key}@${kv.modRevision}`);
    })();
    const acknowledged = new Map<string, number>();
    let stopped = false;
    let longestMs = 0;
    const write = async (writer: number): Promise<void> => {
      let lastMs = clock.now();
      for (let i = 0; !stopped; i++) {
        const key = `load/${writer}-${i}`;
        try {
          acknowledged.set(key, (await store.client.txn(context, put(key, 'x'))).revision);
          longestMs = Math.max(longestMs, clock.now() - lastMs);
          lastMs = clock.now();
        } catch (error) {
          if (!(error instanceof EtcdError)) throw error;
          expect(['TIMEOUT', 'UNAVAILABLE']).toContain(error.code);
        }
        await clock.sleep(context, 5);
      }
    };
    const writers = [0, 1, 2, 3].map(write);
    for (const member of store.members) {
      member.crash();
      const count = acknowledged.size;
      await expect.poll(() => acknowledged.size, soon).toBeGreaterThan(count + 20);
      await member.start(context);
    }
    stopped = true;
    await Promise.all(writers);
    const { kvs } = await store.client.range(context, { key: 'load/', rangeEnd: prefixEnd('load/') });
    const stored = new Map(kvs.map((kv) => [kv.key, kv.modRevision]));
    for (const [key, at] of acknowledged) expect([key, stored.get(key)]).toEqual([key, at]);
    await expect.poll(() => watched.length, soon).toBe(stored.size);
    expect(new Set(watched)).toEqual(new Set([...stored].map(([key, at]) => `${key}@${at}`)));
    expect(longestMs).toBeLessThan(5_000);
    watcher.close();
    await watching;
  });

  it('finds out a frozen member within two seconds or so, whoever it is', async () => {
    const frozen = await leader();
    process.kill(pidOf(folder, frozen), 'SIGSTOP');
    const beganMs = clock.now();
    await expect
      .poll(
        () =>
          store.client.txn(context, put('frozen', 'x')).then(
            () => 'written',
            () => 'refused',
          ),
        soon,
      )
      .toBe('written');
    expect(clock.now() - beganMs).toBeLessThan(6_000);
    process.kill(pidOf(folder, frozen), 'SIGCONT');
    await leader();
  });

  it('keeps records beside revisions, and they go with compaction', async () => {
    const revisions: number[] = [];
    for (let i = 0; i < 50; i++)
      revisions.push((await store.client.txn(context, put('r', String(i), `record ${i}`))).revision);
    const read = async (from: number, to: number): Promise<string[]> =>
      (await store.client.records(context, revision(from), revision(to))).map((one) => one.record);
    // Not one after the other: a lease of a test before may end, and its keys go, in between.
    const at = (i: number): number => revisions[i] ?? 0;
    const [first, last] = [at(0), at(49)];
    expect(await read(first, last)).toEqual(revisions.map((_, i) => `record ${i}`));
    expect(await read(last, last + 100)).toEqual(['record 49']);
    expect(await read(at(3), at(5))).toEqual(['record 3', 'record 4', 'record 5']);
    await store.client.compact(context, revision(at(40)));
    expect(await read(first, last)).toEqual(revisions.slice(40).map((_, i) => `record ${i + 40}`));
    expect(await read(at(1), at(2))).toEqual([]);
    const gone = store.client.watch(context, { key: 'r', startRevision: revision(first) });
    await expect(gone.responses[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'COMPACTED' });
    expect((await store.client.status(context)).compactRevision).toBe(at(40));
  });

  it('tells of its members, checks and empties them', async () => {
    const { maintenance } = store;
    await leader();
    const members = await maintenance.members(context);
    expect(members.map(({ name, version }) => [name, version?.split('.').slice(0, 2).join('.')]).sort()).toEqual(
      ['etcd-1', 'etcd-2', 'etcd-3'].map((name) => [name, '3.4']),
    );
    const { revision: at } = await store.client.range(context, { key: 'r' });
    const hashes = await Promise.all(store.members.map((one) => maintenance.hashKv(context, at, one.endpoint)));
    expect(new Set(hashes.map((one) => one.hash)).size).toBe(1);
    await maintenance.defragment(context, store.members[0]?.endpoint);
    expect(await maintenance.alarms(context)).toEqual([]);
    let bytes = 0;
    for await (const part of maintenance.snapshot(context)) bytes += part.byteLength;
    expect(bytes).toBeGreaterThan(16_384);
  });

  it('does without a dead endpoint', async () => {
    const [endpoint = ''] = store.access.endpoints;
    const tls = { ca: pki.etcdCa.certificate, cert: pki.etcdClient.certificate, key: pki.etcdClient.key };
    const endpoints = ['https://127.0.0.1:1', endpoint];
    const etcd = new RemoteEtcd({ endpoints, tls, clock, random, logger: silentLogger });
    const beganMs = clock.now();
    await etcd.txn(context, put('a', 'b'));
    expect(clock.now() - beganMs).toBeLessThan(2_000);
    etcd.close();
    const nobody = new RemoteEtcd({ endpoints: ['https://127.0.0.1:1'], tls, clock, random, logger: silentLogger });
    await expect(nobody.txn(context, put('a', 'b'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    nobody.close();
  });

  it('of a lab that is set up wrongly says what is wrong in one line', async () => {
    const { endpoints, ca = '', cert = '', key = '' } = store.access;
    const file = (name: string): string => join(pki.folder, name);
    const lab = { name: 'other', id: 'other' };
    const attempt = async (access: ExternalEndpoints): Promise<string> => {
      const external = new ExternalStore({ lab, access, clock, random, logger: silentLogger });
      try {
        await external.start(context);
        return 'started';
      } catch (error) {
        return error instanceof Error ? error.message : '';
      } finally {
        await external.stop();
      }
    };
    expect(await attempt({ endpoints, ca })).toContain(
      'asks for a client certificate: give --etcd-cert and --etcd-key',
    );
    expect(await attempt({ endpoints, ca: file('ca.crt'), cert, key })).toContain('shows a certificate that --etcd-ca');
    expect(await attempt({ endpoints, ca, cert: file('admin.crt'), key: file('admin.key') })).toContain(
      'refuses the client certificate of --etcd-cert',
    );
    expect(await attempt({ endpoints: ['https://127.0.0.1:1'], ca, cert, key })).toContain('no etcd answers');
    expect(await attempt({ endpoints: ['http://127.0.0.1:1'] })).toContain('no etcd answers: http://127.0.0.1:1');
    expect(await attempt({ endpoints: endpoints.map((one) => one.replace('https', 'http')) })).toContain(
      'no etcd answers',
    );
    await store.client.txn(context, put('/registry/pods/default/a', '{}'));
    expect(await attempt({ endpoints, ca, cert, key })).toContain("another cluster's objects under /registry/");
    await store.client.txn(context, {
      compare: [],
      success: [{ type: 'delete', key: '/registry/pods/default/a' }],
      failure: [],
    });
    expect(await attempt({ endpoints, ca, cert, key })).toBe('started');
    // One member that is away is no reason not to start; whose the keyspace is, is one.
    store.members[0]?.crash();
    expect(await attempt({ endpoints, ca, cert, key })).toBe('started');
    lab.id = 'third';
    expect(await attempt({ endpoints, ca, cert, key })).toContain('holds objects of another lab, other');
  });
});

function pidOf(folder: string, index: number): number {
  return Number(readFileSync(join(folder, 'members', `etcd-${index + 1}`, 'pid'), 'utf8').split(' ')[0]);
}
