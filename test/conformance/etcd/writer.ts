import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';

/** Writes to the store at argv[2] from eight writers until it is killed; prints each key once it is acknowledged. */
const etcd = await EmbeddedEtcd.open({ path: process.argv[2] ?? '', clock: new RealClock(), logger: silentLogger });
const context = Context.background();
const run = process.argv[3] ?? '';

async function write(writer: number): Promise<never> {
  for (let i = 0; ; i++) {
    const key = `/run-${run}/writer-${writer}/${i}`;
    const value = Buffer.from(key.repeat(20));
    await etcd.txn(context, { compare: [], success: [{ type: 'put', key, value }], failure: [], record: key });
    process.stdout.write(`${key}\n`);
  }
}

await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(write));
