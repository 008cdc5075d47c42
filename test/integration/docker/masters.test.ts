import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KubeList } from '#api/machinery/object';
import { Context } from '#base/context';
import { withRunningHost } from '#cli/host-access';
import { Home } from '#cluster/home';
import { adminTransport } from '../../harness/api.ts';
import { dockerProgram } from '../../harness/docker.ts';
import { TestLab } from '../../harness/lab.ts';
import { kubectlProgram, onPath, skipWithout } from '../../harness/programs.ts';
import { etcdProgram } from '../../harness/real-etcd.ts';
import { WriteLoad } from '../../harness/write-load.ts';

/** Nobody may wait longer for a write. */
const resumeMs = 5_000;
const soon = { timeout: 30_000, interval: 100 };
const mmdebstrap = onPath('mmdebstrap', 'apt-get install mmdebstrap');
const skip = skipWithout(dockerProgram(), kubectlProgram, mmdebstrap, etcdProgram);

/** Three masters on three etcd members, Docker workers: everything dies once, in turn, under load. */
describe.skipIf(skip)('three masters on three etcd members with Docker workers', { timeout: 240_000 }, () => {
  let lab: TestLab;

  beforeAll(async () => {
    for (const range of ['10.244.0.0/16', '10.96.0.0/16']) execFileSync('ip', ['route', 'replace', 'blackhole', range]);
    const workers = ['--driver', 'docker', '--workers', '2', '--cpus', '1', '--memory', '1Gi'];
    lab = await TestLab.up([...workers, '--masters', '3', '--etcd', 'local:3']);
  }, 240_000);
  afterAll(() => lab.destroy());

  type Verb = 'kill' | 'start';
  const master = (verb: Verb, n: number): Promise<unknown> =>
    withRunningHost(new Home(lab.home), 'lab', (host) =>
      host.call(`master.${verb}`, { lab: 'lab', master: `master-${n}` }),
    );
  const member = (verb: Verb, n: number): Promise<unknown> =>
    withRunningHost(new Home(lab.home), 'lab', (host) =>
      host.call(`etcd.${verb}`, { lab: 'lab', member: `etcd-${n}` }),
    );

  it('loses no acknowledged write, and writes resume within five seconds, whoever dies', async () => {
    const load = new WriteLoad(lab.facts.kubeconfig);
    const untilMore = async (): Promise<void> => {
      const { count } = load;
      await expect.poll(() => load.count, soon).toBeGreaterThan(count + 40);
    };
    await untilMore();
    for (const n of [1, 2, 3]) {
      for (const part of [master, member]) {
        await part('kill', n);
        await untilMore();
        await part('start', n);
        await untilMore();
      }
    }
    const { longestGapMs } = load;
    const acknowledged = await load.stop();
    expect(longestGapMs).toBeLessThan(resumeMs);
    const list = (await adminTransport(lab.facts.kubeconfig).request(Context.background(), {
      method: 'GET',
      path: '/api/v1/namespaces/default/configmaps',
    })) as KubeList;
    const stored = new Map(list.items.map(({ metadata }) => [metadata.name ?? '', metadata.resourceVersion ?? '']));
    const lost = [...acknowledged].filter(([name, resourceVersion]) => stored.get(name) !== resourceVersion);
    expect(lost).toEqual([]);
  });

  it('the workers noticed nothing', async () => {
    const ready = async (): Promise<string[]> =>
      (await lab.ok(['get', 'nodes', '--no-headers']))
        .trim()
        .split('\n')
        .map((line) => line.split(/\s+/)[1] ?? '');
    await expect.poll(ready, soon).toEqual(['Ready', 'Ready']);
    await lab.ok(['-n', 'kube-system', 'wait', '--for=condition=Ready', 'pod', '--all', '--timeout=30s']);
  });
});
