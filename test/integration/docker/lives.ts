import { beforeAll, describe, expect, it } from 'vitest';
import type { Pod } from '#api/gen/types';
import { soon, type DockerLab } from '../../harness/docker-lab.ts';
import { untilGone } from '../../harness/lab.ts';
import { answerOf, pod, shell } from './objects.ts';

/** Says each number once and sends it through the Service: ends with its connection. */
const talking =
  'until echo probe | timeout 3 nc echo 7000 | grep -q probe; do sleep 0.2; done; ' +
  'i=0; while true; do echo $i; i=$((i+1)); sleep 0.2; done | nc echo 7000 >/tmp/echoed; exit 1';

/** What restarts below running pods: their containers and connections live on. */
export function livesStory(labOf: () => DockerLab): void {
  describe('while pods run', () => {
    let lab: DockerLab;

    /** Every container that runs in the lab, with when it started and how often it did. */
    const running = async (): Promise<readonly string[]> => {
      const { items } = await lab.get<{ readonly items: readonly Pod[] }>('pods', '-A');
      return items
        .filter((one) => one.status?.phase === 'Running' && !one.metadata.deletionTimestamp)
        .flatMap((one) => one.status?.containerStatuses ?? [])
        .map((one) => `${one.name} ${one.containerID} ${one.restartCount} ${one.state?.running?.startedAt}`)
        .sort();
    };
    const echoed = async (): Promise<number> => Number(await lab.says('talker', 'wc -l </tmp/echoed'));
    /** The connection still carries what is said from now on. */
    const talksOn = async (): Promise<void> => {
      let sofar = 0;
      // Whoever carries commands to the pod may still be starting.
      await expect.poll(async () => (sofar = await echoed()), soon).toBeGreaterThan(0);
      await expect.poll(echoed, soon).toBeGreaterThan(sofar + 3);
      expect(await lab.ok('get', 'pod', 'talker', '--no-headers')).toMatch(/talker +1\/1 +Running +0/);
    };
    const pidOf = (node: string, program: string): Promise<string> =>
      lab.onNode(node, `pgrep -o -f "node-agent.cjs ${program}$" || true`);
    /** Kills a program of a node; resolves when another runs in its place. */
    const killProgram = async (node: string, program: string): Promise<void> => {
      const before = await pidOf(node, program);
      expect(before).toMatch(/^\d+$/);
      await lab.onNode(node, `kill -9 ${before}`);
      await expect.poll(() => pidOf(node, program), soon).toMatch(new RegExp(`^(?!${before}$)\\d+$`));
    };

    beforeAll(async () => {
      lab = labOf();
      await lab.apply(pod('echo', { nodeName: 'worker-1', containers: [shell('exec nc -ll -p 7000 -e cat')] }), {
        ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'echo', namespace: 'default' } },
        spec: { selector: { app: 'echo' }, ports: [{ port: 7000 }] },
      });
      await lab.ok('wait', '--for=condition=Ready', 'pod/echo', '--timeout=60s');
      await lab.apply(pod('talker', { nodeName: 'worker-2', restartPolicy: 'Never', containers: [shell(talking)] }));
      await lab.ok('wait', '--for=condition=Ready', 'pod/talker', '--timeout=60s');
    });

    it('two of them talk through a Service', async () => {
      await expect.poll(echoed, soon).toBeGreaterThan(3);
    });

    it('kubelet is killed on both ends, and adopts what runs', async () => {
      const before = await running();
      for (const node of ['worker-1', 'worker-2']) await killProgram(node, 'kubelet');
      await talksOn();
      await lab.untilReady();
      await lab.apply(pod('after', { nodeName: 'worker-2', containers: [shell('sleep 1000')] }));
      await lab.ok('wait', '--for=condition=Ready', 'pod/after', '--timeout=60s');
      await lab.ok('delete', 'pod', 'after', '--wait=true', '--timeout=30s');
      expect(await running()).toEqual(before);
    });

    it('kube-proxy is killed on both ends, and keeps to its rules', async () => {
      const before = await running();
      for (const node of ['worker-1', 'worker-2']) await killProgram(node, 'kube-proxy');
      await talksOn();
      const host = async () => answerOf(await lab.says('talker', 'timeout 5 wget -qO- http://web/')).host;
      await expect.poll(host, soon).toMatch(/^web-/);
      expect(await running()).toEqual(before);
    });

    it('the network agent is killed, and packets go on', async () => {
      await killProgram('worker-2', 'network');
      await talksOn();
      await expect.poll(async () => (await lab.script('talker', 'timeout 5 wget -qO- http://web/')).code, soon).toBe(0);
    });

    it('Drydock is killed and started again', async () => {
      const before = await running();
      process.kill(lab.lab.facts.pid, 'SIGKILL');
      await untilGone(lab.lab.facts.pid);
      await lab.lab.upAgain();
      await lab.untilReady();
      await talksOn();
      expect(await running()).toEqual(before);
      expect(await lab.ok('logs', 'echo')).toBe('');
      expect(await lab.says('talker', 'nslookup web.default.svc.cluster.local')).toContain('Address: 10.96.');
    });
  });
}
