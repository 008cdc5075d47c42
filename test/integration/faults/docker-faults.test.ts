import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { rmSync, statfsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fault } from '#contract/faults';
import { Home } from '#cluster/home';
import { containerName, dockerLabels } from '#machines/docker/labels';
import { readHostAccess } from '#host/open-host';
import { dockerProgram } from '../../harness/docker.ts';
import { drydock, temporaryHome, type UpFacts } from '../../harness/lab.ts';
import { kubectlProgram, skipWithout } from '../../harness/programs.ts';

const exec = promisify(execFile);
const patient = { timeout: 30_000, interval: 250 };

interface Summary {
  readonly node: { readonly fs: { readonly availableBytes: number } };
}

/** Two real nodes; every fault is looked at by somebody who knows nothing of Drydock: docker, a socket, the other node. */
describe.skipIf(skipWithout(dockerProgram(), kubectlProgram))('faults of Docker nodes', () => {
  const home = temporaryHome();
  const inHome = ['--name', 'faults', '--home', home];
  const container = (node: string): string => containerName(home, 'faults', node);
  let server: URL;
  let kubeconfig: string;
  const address = new Map<string, string>();

  beforeAll(async () => {
    const size = ['--workers', '2', '--cpus', '1', '--memory', '1Gi'];
    const up = await drydock([
      'up',
      '--driver',
      'docker',
      ...size,
      ...inHome,
      '--ui-port',
      'none',
      '--detach',
      '--json',
    ]);
    expect(up.code, up.stderr).toBe(0);
    const facts = JSON.parse(up.stdout) as UpFacts;
    server = new URL(facts.server);
    kubeconfig = facts.kubeconfig;
    for (const node of ['worker-1', 'worker-2']) {
      const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}}{{end}}';
      const [ip = '', gateway = ''] = (await docker('inspect', '-f', format, container(node))).split(' ');
      address.set(node, ip).set('gateway', gateway);
    }
  }, 240_000);
  afterAll(async () => {
    const { code, stderr } = await drydock(['down', '--delete', ...inHome]);
    // What is still there says whose it was only as long as the home is.
    expect(`${code} ${stderr}`).toBe('0 lab faults deleted\n');
    expect(await traces()).toBe('');
    rmSync(home, { recursive: true, force: true });
  }, 150_000);

  const docker = async (...args: readonly string[]): Promise<string> => (await exec('docker', args)).stdout.trim();
  /** Everything in Docker that carries the home's label. */
  const traces = async (): Promise<string> => {
    const filter = ['--filter', `label=${dockerLabels.home}=${home}`];
    const lists = [
      ['ps', '-aq'],
      ['network', 'ls', '-q'],
      ['volume', 'ls', '-q'],
    ].map((list) => docker(...list, ...filter));
    return (await Promise.all(lists)).join('');
  };
  const inNode = (node: string, ...command: readonly string[]): Promise<string> =>
    docker('exec', container(node), ...command);
  const addressOf = (name: string): string => address.get(name) ?? '';

  async function add(...words: readonly string[]): Promise<Fault> {
    const output = await drydock(['fault', 'add', ...words, ...inHome, '--json']);
    expect(output.code, output.stderr).toBe(0);
    return JSON.parse(output.stdout) as Fault;
  }
  const heal = async ({ id }: Fault): Promise<void> => {
    const output = await drydock(['fault', 'heal', id, ...inHome]);
    expect(output.code, output.stderr).toBe(0);
  };

  /** Whether a TCP connection can be made, from a node or, without one, from this computer. */
  async function connects(from: string | undefined, ip: string, port: number): Promise<boolean> {
    const script = `require('net').connect(${port},'${ip}').on('connect',()=>process.exit(0)).on('error',()=>process.exit(1));setTimeout(()=>process.exit(1),2000)`;
    try {
      await (from === undefined ? exec(process.execPath, ['-e', script]) : inNode(from, 'node', '-e', script));
      return true;
    } catch {
      return false;
    }
  }

  const state = (node: string): Promise<string> => docker('inspect', '-f', '{{.State.Status}}', container(node));
  const programs = (node: string): Promise<string> => inNode(node, 'ps', '-eo', 'args');
  const processCount = async (node: string): Promise<number> => (await programs(node)).split('\n').length;
  const memoryBytes = async (node: string): Promise<number> => {
    const text = await docker('stats', '--no-stream', '--format', '{{.MemUsage}}', container(node));
    return parseFloat(text) * (/^[\d.]+GiB/.test(text) ? 1024 : 1);
  };
  const ours = async (node: string): Promise<string> =>
    (
      await inNode(
        node,
        'sh',
        '-c',
        'nft list tables | grep drydock-fault; tc qdisc show | grep df00; ls /run/drydock/hold /run/drydock/disk 2>/dev/null; true',
      )
    )
      .split('\n')
      .filter((line) => line !== '' && !line.endsWith(':'))
      .join('\n');

  it('cuts the link between two nodes, both ways or one', async () => {
    const probe = () => connects('worker-1', addressOf('worker-2'), 10250);
    expect(await probe()).toBe(true);
    const both = await add('cut', 'worker-1', 'worker-2');
    expect([await probe(), await connects('worker-2', addressOf('worker-1'), 10250)]).toEqual([false, false]);
    expect(await connects(undefined, addressOf('worker-1'), 10250)).toBe(true);
    await heal(both);
    expect(await probe()).toBe(true);
    // A datagram needs no answer: it shows which way is open.
    const received = async (from: string, to: string): Promise<boolean> => {
      const listen = `const s=require('dgram').createSocket('udp4');s.bind(9999,()=>console.log('on'));s.on('message',()=>{process.exit(0)});setTimeout(()=>process.exit(1),3000)`;
      const send = `const s=require('dgram').createSocket('udp4');let n=0;const t=setInterval(()=>{s.send('x',9999,'${addressOf(to)}');if(++n>14){clearInterval(t);s.close()}},200)`;
      const [heard] = await Promise.allSettled([inNode(to, 'node', '-e', listen), inNode(from, 'node', '-e', send)]);
      return heard.status === 'fulfilled';
    };
    const oneWay = await add('cut', 'worker-1', 'worker-2', '--one-way');
    expect([await received('worker-1', 'worker-2'), await received('worker-2', 'worker-1')]).toEqual([false, true]);
    await heal(oneWay);
    expect(await received('worker-1', 'worker-2')).toBe(true);
  }, 150_000);

  it('cuts a node from the API server', async () => {
    const probes = async () => [
      await connects('worker-1', addressOf('gateway'), Number(server.port)),
      await connects(undefined, addressOf('worker-1'), 10250),
    ];
    expect(await probes()).toEqual([true, true]);
    const fault = await add('cut', 'worker-1', 'api');
    expect(await probes()).toEqual([false, false]);
    expect(await connects('worker-1', addressOf('worker-2'), 10250)).toBe(true);
    await heal(fault);
    expect(await probes()).toEqual([true, true]);
  }, 150_000);

  it('loses packets, limits rates, and says what the kernel cannot do', async () => {
    const loss = await add('loss', 'worker-1', 'worker-2', '100%');
    expect(await connects('worker-1', addressOf('worker-2'), 10250)).toBe(false);
    await heal(loss);
    const send = `const s=require('net').connect(9998,'${addressOf('worker-2')}');const t=Date.now();s.end(Buffer.alloc(250000));s.on('close',()=>{console.log(Date.now()-t)});s.resume()`;
    const receive = `require('net').createServer(s=>{s.resume();s.on('end',()=>{s.end();process.exitCode=0;setTimeout(()=>process.exit(),100)})}).listen(9998)`;
    const transferMs = async (): Promise<number> => {
      const server = inNode('worker-2', 'node', '-e', receive);
      await expect
        .poll(
          () => inNode('worker-2', 'sh', '-c', 'grep -ci :270E /proc/net/tcp /proc/net/tcp6 | grep -v :0; true'),
          patient,
        )
        .not.toBe('');
      const took = Number(await inNode('worker-1', 'node', '-e', send));
      await server;
      return took;
    };
    expect(await transferMs()).toBeLessThan(800);
    const rate = await add('rate', 'worker-1', 'worker-2', '1mbit');
    expect(await transferMs()).toBeGreaterThan(1500);
    await heal(rate);
    expect(await transferMs()).toBeLessThan(800);
    const latency = await drydock(['fault', 'add', 'latency', 'worker-1', '100ms', ...inHome, '--json']);
    if (latency.code === 0) await heal(JSON.parse(latency.stdout) as Fault);
    else expect(latency.stderr).toMatch(/this kernel has no 'netem' queue/);
    expect(await ours('worker-1')).toBe('');
  }, 150_000);

  it.each([
    ['kubelet', 'node-agent.cjs kubelet'],
    ['kube-proxy', 'node-agent.cjs kube-proxy'],
    ['network', 'node-agent.cjs network'],
    ['containerd', 'containerd --config'],
  ])(
    'holds %s down',
    async (name, line) => {
      expect(await programs('worker-1')).toContain(line);
      const fault = await add('process', 'worker-1', name);
      expect(await programs('worker-1')).not.toContain(line);
      await heal(fault);
      await expect.poll(() => programs('worker-1'), patient).toContain(line);
    },
    40_000,
  );

  it('presses memory, CPU and process ids', async () => {
    const [memoryBefore, countBefore] = [await memoryBytes('worker-1'), await processCount('worker-1')];
    const memory = await add('memory', 'worker-1', '200Mi');
    expect(await memoryBytes('worker-1')).toBeGreaterThan(memoryBefore + 150);
    const pids = await add('pids', 'worker-1', '100');
    expect(await processCount('worker-1')).toBeGreaterThanOrEqual(countBefore + 100);
    const cpu = await add('cpu', 'worker-1', '1');
    expect(await programs('worker-1')).toContain('while :; do :; done');
    for (const fault of [cpu, pids, memory]) await heal(fault);
    expect(await programs('worker-1')).not.toContain('while :; do :; done');
    expect(await processCount('worker-1')).toBeLessThan(countBefore + 50);
    expect(await memoryBytes('worker-1')).toBeLessThan(memoryBefore + 100);
    expect(await ours('worker-1')).toBe('');
  }, 150_000);

  it('fills the disk for one node, and for nobody else', async () => {
    const kubectl = async (...args: readonly string[]): Promise<string> =>
      (await exec(kubectlProgram.path ?? '', ['--kubeconfig', kubeconfig, ...args])).stdout;
    const pressure = (node: string): Promise<string> =>
      kubectl('get', 'node', node, '-o', 'jsonpath={.status.conditions[?(@.type=="DiskPressure")].status}');
    /** Mebibytes, as the kubelet finds them. */
    const available = async (node: string): Promise<number> => {
      const summary = await kubectl('get', '--raw', `/api/v1/nodes/${node}/proxy/stats/summary`);
      return Math.round((JSON.parse(summary) as Summary).node.fs.availableBytes / 1024 ** 2);
    };
    const free = (): number => statfsSync('/var/lib/docker').bavail;
    const before = { free: free(), available: await available('worker-1') };
    expect([await pressure('worker-1'), before.available > 2048]).toEqual(['False', true]);
    const disk = await add('disk', 'worker-1');
    expect(disk.text).toMatch(/the node has 512 MiB of its disk left/);
    await expect.poll(() => pressure('worker-1'), patient).toBe('True');
    expect(await available('worker-1')).toBe(512);
    expect(await kubectl('get', 'node', 'worker-1', '-o', 'jsonpath={.spec.taints}')).toMatch(/disk-pressure/);
    // The other node stands on the same disk, and the disk is this computer's.
    expect([await pressure('worker-2'), free() > before.free * 0.9]).toEqual(['False', true]);
    await heal(disk);
    expect(await available('worker-1')).toBeGreaterThan(2048);
    // The condition stays for five minutes after its last cause, unless the kubelet that remembers it restarts.
    expect(await pressure('worker-1')).toBe('True');
    await heal(await add('process', 'worker-1', 'kubelet'));
    await expect.poll(() => pressure('worker-1'), patient).toBe('False');
    expect(await ours('worker-1')).toBe('');
  }, 150_000);

  it('drops the DNS queries of pods', async () => {
    const fault = await add('dns', 'worker-1');
    expect(await inNode('worker-1', 'nft', 'list', 'ruleset')).toMatch(/th dport 53 drop/);
    await heal(fault);
    expect(await ours('worker-1')).toBe('');
  }, 150_000);

  it.each([
    ['pause', 'paused'],
    ['kill', 'exited'],
    ['stop', 'exited'],
  ])(
    '%s: docker says so, and heal brings it back',
    async (action, expected) => {
      const fault = await add(action, 'worker-2');
      expect(await state('worker-2')).toBe(expected);
      await heal(fault);
      expect(await state('worker-2')).toBe('running');
    },
    60_000,
  );

  it('restarts a node, and heals by itself when the time is over', async () => {
    const started = () => docker('inspect', '-f', '{{.State.StartedAt}}', container('worker-2'));
    const before = await started();
    await add('restart', 'worker-2');
    await expect.poll(started, patient).not.toBe(before);
    await expect
      .poll(async () => (await drydock(['fault', 'list', ...inHome])).stdout, patient)
      .toMatch(/worker-2 restarts: worker-2 is up again/);
    await add('cut', 'worker-1', 'worker-2', '--for', '2s');
    await expect.poll(() => ours('worker-1'), patient).toBe('');
  }, 150_000);

  it('leaves nothing broken when Drydock is killed', async () => {
    await add('cut', 'worker-1', 'api');
    await add('rate', 'worker-1', '1mbit');
    await add('process', 'worker-1', 'kubelet');
    await add('pids', 'worker-1', '100');
    await add('pause', 'worker-2');
    expect([await ours('worker-1'), await state('worker-2')]).toEqual([expect.stringContaining('kubelet'), 'paused']);
    const { pid } = readHostAccess(new Home(home)) ?? {};
    if (pid === undefined) throw new Error('no host holds the home');
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => state('worker-2'), patient).toBe('running');
    await expect.poll(() => ours('worker-1'), patient).toBe('');
    await expect.poll(() => programs('worker-1'), patient).toContain('node-agent.cjs kubelet');
    expect(await programs('worker-1')).not.toContain('sleep 86400');
  }, 150_000);
});
