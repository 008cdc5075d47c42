import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RealClock } from '#base/clock';
import { drydock, temporaryHome, TestLab } from '../../harness/lab.ts';
import { skipWithout } from '../../harness/programs.ts';
import { etcdProgram, RealEtcd } from '../../harness/real-etcd.ts';

const clock = new RealClock();
/** The store's client gives up after 8 s, kubectl and the API server take a moment besides. */
const patienceMs = 10_000;

/** A lab on an etcd that is somebody's: slow, gone and back again. */
describe.skipIf(skipWithout(etcdProgram))('a lab on an external etcd', () => {
  let etcd: RealEtcd;
  let lab: TestLab;

  beforeAll(async () => {
    etcd = await RealEtcd.start();
    lab = await TestLab.up(['--etcd-endpoints', etcd.endpoint, '--workers', '0']);
  });
  afterAll(async () => {
    await lab.destroy();
    await etcd.remove();
  });

  it('marks the keyspace as its own', async () => {
    const second = await drydock([
      ...['up', '--home', temporaryHome(), '--name', 'second', '--workers', '0', '--ui-port', 'none', '--detach'],
      ...['--etcd-endpoints', etcd.endpoint],
    ]);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('holds objects of another lab, lab; use an etcd of its own for each lab');
    const kill = await drydock(['etcd', 'kill', 'one', '--home', lab.home]);
    expect(kill.stderr).toContain("one is not the lab's own: stop and start it where it runs");
  });

  it('answers with an error in time while etcd is frozen, and goes on when it thaws', async () => {
    await lab.ok(['create', 'configmap', 'before']);
    etcd.signal('SIGSTOP');
    const beganMs = clock.now();
    const [write, read] = await Promise.all([
      lab.kubectl(['create', 'configmap', 'frozen']),
      lab.kubectl(['get', 'configmap', 'before']),
    ]);
    expect(clock.now() - beganMs).toBeLessThan(patienceMs);
    expect([write.code, read.code]).toEqual([1, 1]);
    expect(write.stderr).toMatch(/etcdserver: |timed out/);
    etcd.signal('SIGCONT');
    await expect
      .poll(async () => (await lab.kubectl(['get', 'configmap', 'before', '-o', 'name'])).stdout, { timeout: 10_000 })
      .toBe('configmap/before\n');
  });

  it('goes on when etcd was away', async () => {
    await etcd.kill();
    const refused = await lab.kubectl(['create', 'configmap', 'nobody']);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain('does not answer');
    await etcd.run();
    await expect
      .poll(async () => (await lab.kubectl(['create', 'configmap', 'back'])).code, { timeout: 10_000 })
      .toBe(0);
    expect(await lab.ok(['get', 'configmap', '-o', 'name'])).not.toContain('nobody');
  });

  it('leaves nothing behind when it is deleted', async () => {
    await drydock(['down', '--delete', '--home', lab.home]);
    lab = await TestLab.up(['--etcd-endpoints', etcd.endpoint, '--workers', '0', '--name', 'lab']);
    expect(await lab.ok(['get', 'configmap', '-o', 'name'])).not.toContain('before');
  });
});
