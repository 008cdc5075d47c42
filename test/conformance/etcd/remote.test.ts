import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RealClock, SteppedClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { revision, type EtcdClient } from '#etcd/client';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import { RemoteEtcd } from '#etcd/remote/remote-etcd';
import { EtcdRpcServer } from '#etcd/rpc/server';
import { etcdTls, makeEtcdCertificates } from '../../harness/etcd-certificates.ts';
import { onPath, skipWithout } from '../../harness/programs.ts';
import { etcdProgram, RealEtcd } from '../../harness/real-etcd.ts';
import { context, del, only, put, refusals, type EtcdTarget } from './harness.ts';
import { histories, play } from './histories.ts';
import { RelativeEtcd } from './relative-etcd.ts';
import { etcdConformance } from './suite.ts';

const network = { clock: new RealClock(), random: new SeededRandom(1), logger: silentLogger };

/** The gRPC port of the embedded store, with TLS. */
class PortTarget implements EtcdTarget {
  readonly release = '3.6';
  readonly #folder = mkdtempSync(join(tmpdir(), 'drydock-etcd-'));
  readonly #clock = new SteppedClock();
  #etcd: EmbeddedEtcd | undefined;
  #server: EtcdRpcServer | undefined;
  #remote: RemoteEtcd | undefined;

  get maintenance(): RemoteEtcd {
    return required(this.#remote);
  }

  async open(): Promise<void> {
    makeEtcdCertificates(this.#folder);
    const tls = etcdTls(this.#folder);
    const clock = this.#clock;
    const path = join(this.#folder, 'store');
    const etcd = await EmbeddedEtcd.open({ path, clock, logger: silentLogger, retention: 'none' });
    this.#etcd = etcd;
    const port = { host: '127.0.0.1', port: 0 };
    const { maintenance } = etcd;
    this.#server = new EtcdRpcServer({ etcd, maintenance, tls, ...port, ...network });
    await this.#server.start();
    this.#remote = new RemoteEtcd({ ...network, endpoints: [this.#server.endpoint], tls });
  }

  start(): Promise<EtcdClient> {
    return RelativeEtcd.wipe(context, this.maintenance);
  }

  pass(seconds: number): Promise<void> {
    return this.#clock.step(seconds * 1000);
  }

  /** The next test goes on with it. */
  async stop(): Promise<void> {}

  async close(): Promise<void> {
    await this.#remote?.close();
    await this.#server?.stop();
    await this.#etcd?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Debian's etcd. */
class RealTarget implements EtcdTarget {
  readonly release = '3.4';
  #etcd: RealEtcd | undefined;
  #remote: RemoteEtcd | undefined;

  get maintenance(): RemoteEtcd {
    return required(this.#remote);
  }

  async open(): Promise<void> {
    this.#etcd = await RealEtcd.start();
    this.#remote = new RemoteEtcd({ ...network, endpoints: [this.#etcd.endpoint] });
  }

  start(): Promise<EtcdClient> {
    return RelativeEtcd.wipe(context, this.maintenance);
  }

  /** Its clock is the computer's; who waits for a lease waits for its events. */
  async pass(): Promise<void> {}

  /** The next test goes on with it. */
  async stop(): Promise<void> {}

  async close(): Promise<void> {
    await this.#remote?.close();
    await this.#etcd?.remove();
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the store is not started yet');
  return value;
}

const port = new PortTarget();
describe.skipIf(skipWithout(onPath('openssl', 'apt-get install openssl')))('over gRPC', () => {
  beforeAll(() => port.open());
  afterAll(() => port.close());
  etcdConformance('port of the embedded store', port);
});

const real = new RealTarget();
describe.skipIf(skipWithout(etcdProgram))('over gRPC', () => {
  beforeAll(() => real.open());
  afterAll(() => real.close());
  etcdConformance('real etcd', real);

  it('the naive model says what real etcd does', async () => {
    const seed = 20_261_122;
    let { compactRevision: compacted } = await real.maintenance.hashKv(context);
    await fc.assert(
      fc.asyncProperty(histories, async (steps) => {
        compacted = revision((await play(real.maintenance, steps, { compacted, isReal: true })).compacted);
      }),
      { seed, numRuns: 60 },
    );
  });

  it('gives the checksum of a history that the embedded store gives, all along', async () => {
    const [theirs, folder] = [new RealTarget(), mkdtempSync(join(tmpdir(), 'drydock-etcd-'))];
    await theirs.open();
    const ours = await EmbeddedEtcd.open({ path: folder, clock: new SteppedClock(), logger: silentLogger });
    try {
      await bothHash(ours, theirs.maintenance);
    } finally {
      await theirs.close();
      await ours.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** One history, and the checksums along it. */
async function bothHash(ours: EmbeddedEtcd, theirs: RemoteEtcd): Promise<void> {
  const both = async (work: (client: EtcdClient) => Promise<unknown>): Promise<void> => {
    await work(ours);
    await work(theirs);
  };
  const same = async (...past: number[]): Promise<void> => {
    for (const at of [undefined, ...past.map(revision)]) {
      const { revision: current, ...expected } = await theirs.hashKv(context, at);
      expect({ at: current, ...(await ours.maintenance.hashKv(context, at)) }).toMatchObject({
        at: current,
        ...expected,
      });
    }
  };
  await same();
  // Nothing was ever compacted: revision 0 can be, once.
  await both((client) => client.compact(context, revision(0)));
  await both((client) => expect(client.compact(context, revision(0))).rejects.toMatchObject(refusals.compacted));
  await both((client) => client.leaseGrant(context, 600, 0x694d_81d3_eb9c_a018n));
  await both((client) => client.txn(context, only(put('a', '1'), put('é\udcff', ''), put('b', 'x'.repeat(300)))));
  await both((client) => client.txn(context, only(put('a', '2', 0x694d_81d3_eb9c_a018n), del('b'))));
  await both((client) => client.txn(context, only(del('b', '\0'), put('b', 'y'))));
  for (let i = 0; i < 300; i++) await both((client) => client.txn(context, only(put(`k${i % 9}`, String(i)))));
  await same(2, 3, 4, 100);
  await both((client) => client.leaseRevoke(context, 0x694d_81d3_eb9c_a018n));
  await both((client) => client.txn(context, only(del('k3'))));
  await same(200, 306);
  await both((client) => client.compact(context, revision(306), { physical: true }));
  await same();
  await both((client) => client.txn(context, only(put('k3'))));
  await same(307);
  await both((client) => client.txn(context, only(del('\0', '\0'))));
  await same(308);
  await both((client) => client.compact(context, revision(308), { physical: true }));
  await same();
}
