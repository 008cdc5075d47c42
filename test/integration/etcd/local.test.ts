import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withRunningHost } from '#cli/host-access';
import { etcdMembersOf, type EtcdMemberSummary } from '#cli/etcd-members';
import { readTruths } from '#cli/reports';
import { Home } from '#cluster/home';
import { drydock, TestLab, untilGone, type Output } from '../../harness/lab.ts';
import { skipWithout } from '../../harness/programs.ts';
import { etcdProgram } from '../../harness/real-etcd.ts';

const soon = { timeout: 10_000, interval: 200 };

/** A lab on three etcd members of its own, which are killed and started. */
describe.skipIf(skipWithout(etcdProgram))('a lab on a local etcd', () => {
  let lab: TestLab;

  beforeAll(async () => {
    lab = await TestLab.up(['--etcd', 'local:3', '--workers', '1']);
  });
  afterAll(async () => {
    await lab.destroy();
  });

  const etcd = async (verb: 'kill' | 'start', member: string): Promise<void> => {
    await withRunningHost(new Home(lab.home), 'lab', (host) => host.call(`etcd.${verb}`, { lab: 'lab', member }));
  };
  const members = (): Promise<EtcdMemberSummary[]> =>
    withRunningHost(new Home(lab.home), 'lab', async (host) => etcdMembersOf(await readTruths(host, 'lab')));
  const create = (name: string): Promise<Output> => lab.kubectl(['create', 'configmap', name]);

  it('shows its members and how to reach them', async () => {
    await expect.poll(async () => (await members()).filter((one) => one.leader), soon).toHaveLength(1);
    const listed = await drydock(['etcd', 'list', '--home', lab.home]);
    expect(listed.stdout).toMatch(/^etcd-3 +https:\/\/127\.0\.0\.1:\d+ +running/m);
    const status = await drydock(['status', '--json', '--home', lab.home]);
    const { etcd: access, healthy } = JSON.parse(status.stdout) as { etcd: { endpoint: string }; healthy: boolean };
    expect(healthy).toBe(true);
    expect(access.endpoint.split(',')).toEqual((await members()).map((one) => one.endpoint));
  });

  it('goes on when one dies, and when the leader does', async () => {
    await lab.ok(['create', 'deployment', 'web', '--image=nginx']);
    const before = await members();
    const follower = before.find((one) => !one.leader)?.name ?? '';
    await etcd('kill', follower);
    await lab.ok(['create', 'configmap', 'without-a-follower']);
    await etcd('start', follower);
    const leader = before.find((one) => one.leader)?.name ?? '';
    await etcd('kill', leader);
    // A write that was on its way to the leader may be lost; the ones after it are not.
    await expect.poll(async () => (await create('without-a-leader')).code, soon).toBe(0);
    await etcd('start', leader);
    await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=30s']);
  });

  it('refuses writes while the majority is dead, says why, and heals', async () => {
    await etcd('kill', 'etcd-1');
    await etcd('kill', 'etcd-2');
    const refused = await create('too-few');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/etcdserver: (request timed out|no leader)/);
    await expect
      .poll(async () => (await members()).map(({ state, note }) => [state, note]), soon)
      .toEqual([
        ['crashed', undefined],
        ['crashed', undefined],
        ['running', 'no quorum: 1 of 3 members answers, 2 must'],
      ]);
    await etcd('start', 'etcd-2');
    await expect.poll(async () => (await create('enough')).code, soon).toBe(0);
  });

  it('comes back with everything when its host was killed', async () => {
    process.kill(lab.facts.pid, 'SIGKILL');
    await untilGone(lab.facts.pid);
    await lab.upAgain();
    await lab.ok(['get', 'configmap', 'enough', 'without-a-leader', 'without-a-follower']);
    expect((await members()).map(({ state }) => state)).toEqual(['running', 'running', 'running']);
  });
});
