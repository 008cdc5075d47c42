import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Node, Pod } from '#api/gen/types';
import { dockerProgram } from '../../harness/docker.ts';
import { drydock, TestLab } from '../../harness/lab.ts';
import { kubectlProgram, onPath, skipWithout } from '../../harness/programs.ts';
import { sshMachineImage } from '../../harness/ssh-machine-image.ts';
import { SshTestLab } from '../../harness/ssh-machine.ts';

const simulated = 20;
const soon = { timeout: 60_000, interval: 500 };
const mmdebstrap = onPath('mmdebstrap', 'apt-get install mmdebstrap');
const skip = skipWithout(dockerProgram(), kubectlProgram, mmdebstrap);
if (!skip) sshMachineImage('full');

/** One pod a node, on whatever kind of node. */
const web = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    replicas: simulated + 3,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        affinity: {
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [
              { labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'kubernetes.io/hostname' },
            ],
          },
        },
        containers: [
          { name: 'web', image: 'nginx', imagePullPolicy: 'IfNotPresent', ports: [{ containerPort: 80 }] },
          { name: 'shell', image: 'busybox:1.36', imagePullPolicy: 'IfNotPresent', command: ['sleep', '1000000'] },
        ],
      },
    },
  },
};
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
};

/** 2 Docker workers, a machine reached by SSH, 20 simulated nodes: one cluster. */
describe.skipIf(skip)('a lab of nodes of every driver', { timeout: 240_000 }, () => {
  let lab: TestLab;
  let machines: SshTestLab;

  async function cli(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await drydock([...args, '--home', lab.home]);
    if (code !== 0) throw new Error(`drydock ${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout + stderr;
  }

  async function list<T>(...args: readonly string[]): Promise<readonly T[]> {
    return (JSON.parse(await lab.ok(['get', ...args, '-o', 'json'])) as { readonly items: readonly T[] }).items;
  }

  async function podOn(node: string): Promise<Pod> {
    const [pod] = await list<Pod>('pods', '-l', 'app=web', '--field-selector', `spec.nodeName=${node}`);
    if (!pod) throw new Error(`no pod on ${node}`);
    return pod;
  }

  function fetchFrom(pod: Pod, address: string): Promise<string> {
    const command = ['wget', '-qO-', `http://${address}/`];
    return lab.ok(['exec', pod.metadata.name ?? '', '-c', 'shell', '--', ...command]);
  }

  beforeAll(async () => {
    for (const range of ['10.244.0.0/16', '10.96.0.0/16']) execFileSync('ip', ['route', 'replace', 'blackhole', range]);
    lab = await TestLab.up(['--driver', 'docker', '--workers', '2', '--cpus', '1', '--memory', '1Gi']);
    const [first] = await list<Node>('nodes');
    const address = first?.status?.addresses?.find((one) => one.type === 'InternalIP')?.address ?? '';
    const filter = ['--filter', `label=dev.drydock.home=${lab.home}`];
    const network = execFileSync('docker', ['network', 'ls', ...filter, '--format', '{{.Name}}'], { encoding: 'utf8' });
    const prefix = address.split('.').slice(0, 3).join('.');
    machines = new SshTestLab(61, { join: { network: network.trim(), prefix } });
  }, 180_000);

  afterAll(async () => {
    machines?.dispose();
    await lab?.destroy();
  }, 90_000);

  test('an SSH machine joins once its host key is trusted, with a certificate that is signed', async () => {
    const machine = await machines.start('full');
    const key = join(machines.folder, 'id');
    writeFileSync(key, machines.privateKey, { mode: 0o600 });
    const add = ['node', 'add', 'metal', '--driver', 'ssh', '--host', `root@${machine.address}`, '--identity', key];
    const refused = await drydock([...add, '--home', lab.home]);
    expect(refused.code).toBe(1);
    const [fingerprint = ''] = /SHA256:[A-Za-z0-9+/]+/.exec(refused.stderr) ?? [];
    expect(machine.run('ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub')).toContain(fingerprint);
    expect(await cli(...add, '--trust', fingerprint)).toContain('node metal added and Ready');
    const requests = await list<{ readonly spec: { readonly username?: string }; readonly status: object }>('csr');
    expect(requests.some((one) => /^system:bootstrap:/.test(one.spec.username ?? ''))).toBe(true);
  });

  test('simulated nodes join the same cluster, each plainly badged', async () => {
    for (let i = 1; i <= simulated; i++) await cli('node', 'add', `sim-${i}`, '--driver', 'embedded');
    const nodes = await list<Node>('nodes');
    const kinds = nodes.map(({ metadata, status }) => [
      metadata.labels?.['drydock.dev/driver'],
      status?.nodeInfo?.containerRuntimeVersion.split(':')[0],
    ]);
    const count = (driver: string, runtime: string): number =>
      kinds.filter(([one, two]) => one === driver && two === runtime).length;
    expect([
      count('docker', 'containerd'),
      count('ssh', 'containerd'),
      count('embedded', 'simulator'),
      nodes.length,
    ]).toEqual([2, 1, simulated, simulated + 3]);
  });

  test('one Deployment is spread over all of them', async () => {
    await cli('image', 'load', 'nginx');
    const both = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [web, service] });
    await lab.ok(['apply', '-f', '-'], both);
    await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    const nodes = new Set((await list<Pod>('pods', '-l', 'app=web')).map((pod) => pod.spec.nodeName));
    expect(nodes.size).toBe(simulated + 3);
  });

  test('pods on Docker and SSH nodes reach each other by address, without translation', async () => {
    const [onDocker, onMetal] = [await podOn('worker-1'), await podOn('metal')];
    const [dockerIp = '', metalIp = ''] = [onDocker.status?.podIP, onMetal.status?.podIP];
    expect(await fetchFrom(onDocker, metalIp)).toContain('nginx');
    expect(await fetchFrom(onMetal, dockerIp)).toContain('nginx');
    // nginx logs who asked: the pod's own address, not its node's.
    await expect
      .poll(() => lab.ok(['logs', onDocker.metadata.name ?? '', '-c', 'web']), soon)
      .toContain(`${metalIp} - - `);
  });

  test('a Service and its name work from each kind, and lead only where packets can go', async () => {
    for (const node of ['worker-2', 'metal', 'sim-7']) {
      const pod = await podOn(node);
      for (let i = 0; i < 6; i++) expect(await fetchFrom(pod, 'web.default.svc.cluster.local')).toContain('nginx');
    }
  });

  test('the machine outlives a lost connection and leaves nothing behind when it is removed', async () => {
    const [machine] = machines.machines;
    const id = (await podOn('metal')).status?.containerStatuses?.[0]?.containerID;
    machine?.run('pkill -9 -f "[s]shd: root"');
    await expect
      .poll(async () => (await drydock(['status', '--home', lab.home])).stdout, soon)
      .toMatch(/metal +Ready +running/);
    expect((await podOn('metal')).status?.containerStatuses?.[0]?.containerID).toBe(id);
    await cli('node', 'delete', 'metal');
    expect(
      machine?.run(
        'ls -d /opt/drydock /etc/drydock /var/lib/kubelet/pods 2>/dev/null; pgrep -f "[n]ode-agent"; ip -br link; true',
      ),
    ).not.toMatch(/drydock|cni0|vxlan|node-agent/);
  });
});
