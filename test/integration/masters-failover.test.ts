import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConfigMap } from '#api/gen/types';
import type { KubeList } from '#api/machinery/object';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { SharedInformerFactory } from '#client/informer';
import { configMaps } from '#client/resources';
import { RestClient } from '#client/rest-client';
import { adminTransport } from '../harness/api.ts';
import { drydock, TestLab, type Output } from '../harness/lab.ts';
import { WriteLoad } from '../harness/write-load.ts';

const collection = '/api/v1/namespaces/default/configmaps';
const clock = new RealClock();
/** The longest that the one address may answer nobody. */
const failoverMs = 2_000;

/** Three masters, each killed and started in turn while clients write and watch through the one address. */
describe('three masters', () => {
  let lab: TestLab;

  beforeAll(async () => {
    lab = await TestLab.up(['--masters', '3', '--workers', '2']);
  });
  afterAll(async () => {
    await lab.destroy();
  });

  const master = async (verb: 'kill' | 'start', name: string): Promise<Output> => {
    const output = await drydock(['master', verb, name, '--home', lab.home]);
    expect(output).toMatchObject({ code: 0 });
    return output;
  };

  it('lists them, and names those there are when there is no such one', async () => {
    const listed = await drydock(['master', 'list', '--home', lab.home]);
    expect(listed.stdout.trim().split('\n')).toHaveLength(4);
    expect(listed.stdout).toMatch(/^master-\d +running +127\.0\.0\.1:\d+ +running +running \(leader\)/m);
    const missing = await drydock(['master', 'kill', 'master-7', '--home', lab.home]);
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.stderr).toContain('there is no master master-7 in lab lab; it has master-1, master-2, master-3');
  });

  it('kubectl goes on, nothing acknowledged is lost and watches catch up, whichever master dies', async () => {
    const load = new WriteLoad(lab.facts.kubeconfig);
    const followed = follow(lab.facts.kubeconfig);
    let count = 0;
    let longestMs = 0;
    const kubectlGoesOn = async (): Promise<void> => {
      for (const verb of ['create', 'get']) {
        if (verb === 'create') count++;
        const more = verb === 'create' ? ['--from-literal=by=kubectl'] : [];
        longestMs = Math.max(longestMs, await untilDone(lab, [verb, 'configmap', `kubectl-${count}`, ...more]));
      }
    };
    await lab.ok(['create', 'deployment', 'web', '--image=nginx', '--replicas=2']);
    for (const name of ['master-1', 'master-2', 'master-3']) {
      expect((await master('kill', name)).stderr).toContain(`master ${name} killed`);
      for (let i = 0; i < 3; i++) await kubectlGoesOn();
      await master('start', name);
      await kubectlGoesOn();
    }
    const acknowledged = await load.stop();
    expect(longestMs).toBeLessThanOrEqual(failoverMs);
    expect(acknowledged.size).toBeGreaterThan(100);
    const list = (await adminTransport(lab.facts.kubeconfig).request(Context.background(), {
      method: 'GET',
      path: collection,
    })) as KubeList;
    const stored = new Map(list.items.map(({ metadata }) => [metadata.name ?? '', metadata.resourceVersion ?? '']));
    for (const [name, resourceVersion] of acknowledged)
      expect([name, stored.get(name)]).toEqual([name, resourceVersion]);
    for (let i = 1; i <= count; i++) expect(stored.has(`kubectl-${i}`)).toBe(true);
    await expect.poll(() => followed.known(), { timeout: 15_000, interval: 200 }).toEqual(stored);
    followed.stop();
    await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  });

  it('says what is true while no master lives', async () => {
    const names = ['master-1', 'master-2', 'master-3'];
    for (const name of names) await master('kill', name);
    expect((await lab.kubectl(['get', 'nodes'])).code).not.toBe(0);
    const { stdout } = await drydock(['status', '--home', lab.home, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      healthy: false,
      nodes: [
        { name: 'worker-1', status: 'Unknown', machine: 'running' },
        { name: 'worker-2', status: 'Unknown', machine: 'running' },
      ],
    });
    for (const name of names) await master('start', name);
    await lab.ok(['wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=60s']);
  });
});

/**
 * Runs kubectl until it succeeds; resolves with the time from the begin of the first call that failed to that of the last one, in
 * milliseconds: how long a call takes is the computer's affair.
 */
async function untilDone(lab: TestLab, args: readonly string[]): Promise<number> {
  const firstMs = clock.now();
  let failedMs = firstMs;
  for (;;) {
    const beganMs = clock.now();
    const { code, stderr } = await lab.kubectl(args);
    // A create that was cut off may have been done all the same.
    if (code === 0 || stderr.includes('AlreadyExists')) return failedMs - firstMs;
    failedMs = beganMs;
    if (failedMs - firstMs > 10 * failoverMs) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
  }
}

/** An informer of its own process, as it were: HTTPS through the one address. */
function follow(kubeconfig: string): { known(): ReadonlyMap<string, string>; stop(): void } {
  const client = new RestClient(adminTransport(kubeconfig));
  const factory = new SharedInformerFactory({ client, clock, random: new SeededRandom(1), logger: silentLogger });
  const informer = factory.informer<ConfigMap>(configMaps);
  factory.start(Context.background());
  return {
    known: () =>
      new Map(
        informer.lister
          .list()
          .filter(({ metadata }) => metadata.namespace === 'default')
          .map(({ metadata }) => [metadata.name ?? '', metadata.resourceVersion ?? '']),
      ),
    stop: () => factory.stop(),
  };
}
