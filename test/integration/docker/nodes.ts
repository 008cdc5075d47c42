import { beforeAll, describe, expect, it } from 'vitest';
import type { Pod } from '#api/gen/types';
import { soon, type DockerLab } from '../../harness/docker-lab.ts';
import { drydock } from '../../harness/lab.ts';
import { answerOf, deployment, forever, pod, shell } from './objects.ts';

/** The node controller waits 50 s before it calls a silent node NotReady. */
const graceful = { timeout: 120_000, interval: 500 };
const briefly = ['not-ready', 'unreachable'].map((name) => ({
  ...{ key: `node.kubernetes.io/${name}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 2 },
}));

/** Nodes that are killed, move, or are taken down with the whole lab. */
export function nodesStory(labOf: () => DockerLab): void {
  describe('nodes', () => {
    let lab: DockerLab;
    const home = (): readonly string[] => ['--home', lab.lab.home];
    const nodesOf = async (selector: string): Promise<readonly string[]> =>
      (await lab.pods(selector))
        .filter(({ metadata, status }) => !metadata.deletionTimestamp && status?.phase === 'Running')
        .filter(({ status }) => status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'))
        .map(({ spec }) => spec.nodeName ?? '');
    beforeAll(() => {
      lab = labOf();
    });

    it('that are killed by hand are seen at once, lose their pods in time, and come back', async () => {
      const spec = { terminationGracePeriodSeconds: 1, tolerations: briefly, containers: [shell(forever)] };
      await lab.apply(deployment('mover', 3, spec));
      await lab.ok('rollout', 'status', 'deployment/mover', '--timeout=60s');
      const { uid } = (await lab.get<Pod>('node', 'worker-3')).metadata;
      await lab.docker('kill', await lab.container('worker-3'));
      await expect.poll(() => lab.machine('worker-3'), soon).toMatchObject({ machine: 'killed', status: 'Ready' });
      await expect.poll(() => lab.nodes(), graceful).toMatchObject({ 'worker-3': 'NotReady', 'worker-1': 'Ready' });
      expect(await lab.ok('describe', 'node', 'worker-3')).toMatch(
        /Ready +Unknown .* NodeStatusUnknown +Kubelet stopped/,
      );
      await expect.poll(() => nodesOf('app=mover'), graceful).toHaveLength(3);
      expect(await nodesOf('app=mover')).not.toContain('worker-3');

      const started = await drydock(['node', 'start', 'worker-3', ...home()]);
      expect(started).toMatchObject({ code: 0, stderr: 'node worker-3 started and Ready\n' });
      expect(await lab.machine('worker-3')).toMatchObject({ machine: 'running', status: 'Ready' });
      expect((await lab.get<Pod>('node', 'worker-3')).metadata.uid).toBe(uid);
      await expect.poll(async () => (await lab.pods('app=mover')).length, soon).toBe(3);
      await lab.apply(pod('back', { nodeName: 'worker-3', containers: [shell(forever)] }));
      await lab.ok('wait', '--for=condition=Ready', 'pod/back', '--timeout=60s');
      const answer = await lab.says('back', 'timeout 5 wget -qO- http://web.default.svc.cluster.local/');
      expect(answerOf(answer).host).toMatch(/^web-/);
      await lab.ok('delete', 'deployment/mover', 'pod/back', '--wait=false');
    });

    it('take another address', async () => {
      const [container, before] = [await lab.container('worker-2'), await lab.address('worker-2')];
      const after = before.replace(/\.\d+$/, '.77');
      const network = await lab.docker(
        'inspect',
        '-f',
        '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}',
        container,
      );
      await lab.docker('network', 'disconnect', network, container);
      await lab.docker('network', 'connect', '--ip', after, network, container);
      await expect.poll(() => lab.address('worker-2'), graceful).toBe(after);
      await lab.untilReady();
      const clients = await lab.pods('app=client');
      for (const from of clients)
        for (const to of await lab.pods('app=web')) {
          const line = `timeout 5 wget -qO- http://${to.status?.podIP}:8080/`;
          const host = async () => answerOf((await lab.script(from.metadata.name ?? '', line)).stdout).host;
          await expect.poll(host, soon).toBe(to.metadata.name);
        }
      const [onIt] = clients.filter((one) => one.spec.nodeName === 'worker-2');
      expect(await lab.says(onIt?.metadata.name ?? '', 'hostname')).toBe(onIt?.metadata.name);
    });

    it('keep objects and data while the lab is down', async () => {
      const mounts = [
        { name: 'host', mountPath: '/host' },
        { name: 'scratch', mountPath: '/scratch' },
      ];
      const volumes = [
        { name: 'host', hostPath: { path: '/srv/kept', type: 'DirectoryOrCreate' } },
        { name: 'scratch', emptyDir: {} },
      ];
      const containers = [{ ...shell(forever), volumeMounts: mounts }];
      await lab.apply(pod('keeper', { nodeName: 'worker-1', containers, volumes }));
      await lab.ok('wait', '--for=condition=Ready', 'pod/keeper', '--timeout=60s');
      await lab.says('keeper', 'echo mine >/host/file; echo too >/scratch/file');
      const facts = ['get', 'node,pod,service', '-A', '--sort-by=.metadata.uid'] as const;
      const uids = [...facts, '-o', 'jsonpath={.items[*].metadata.uid}'];
      const before = await lab.ok(...uids);
      const { server } = lab.lab.facts;
      await lab.lab.down();
      expect(await lab.docker('ps', '-q', '--filter', `name=${await lab.container('worker-1')}`)).toBe('');
      await lab.lab.upAgain();
      expect(await lab.dnsByNode()).toEqual(lab.onEveryNode('10.96.0.1'));
      expect(lab.lab.facts.server).toBe(server);
      await lab.untilReady();
      expect(await lab.ok(...uids)).toBe(before);
      await expect.poll(() => lab.ok('get', 'pod', 'keeper', '--no-headers'), soon).toMatch(/keeper +1\/1 +Running +1/);
      expect(await lab.says('keeper', 'cat /host/file /scratch/file')).toBe('mine\ntoo');
      await lab.ok('rollout', 'status', 'deployment/web', '--timeout=60s');
      const [client] = await lab.pods('app=client');
      const reached = async () =>
        (await lab.script(client?.metadata.name ?? '', 'timeout 5 wget -qO- http://web/')).stdout;
      await expect.poll(reached, soon).toContain(' v');
    });
  });
}
