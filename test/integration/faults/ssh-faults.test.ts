import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Home } from '#cluster/home';
import type { Fault, FaultSpec } from '#contract/faults';
import { ControlClient } from '#host/control-client';
import { readHostAccess } from '#host/open-host';
import { drydock, TestLab } from '../../harness/lab.ts';
import { kubectlProgram, skipWithout } from '../../harness/programs.ts';
import { dockerProgram, mmdebstrapProgram, sshMachineImage } from '../../harness/ssh-machine-image.ts';
import { SshTestLab, type SshTestMachine } from '../../harness/ssh-machine.ts';

const exec = promisify(execFile);
const soon = { timeout: 30_000, interval: 100 };
const node = 'metal';
const skip = skipWithout(dockerProgram, mmdebstrapProgram, kubectlProgram);
if (!skip) sshMachineImage('full');

/** A real sshd; what is broken on its machine is looked at from outside: by its processes, its packet filter, a socket. */
describe.skipIf(skip)('faults of a machine by SSH', { timeout: 120_000 }, () => {
  let lab: TestLab;
  let machines: SshTestLab;
  let machine: SshTestMachine;
  let host: ControlClient | undefined;

  beforeAll(async () => {
    for (const range of ['10.244.0.0/16', '10.96.0.0/16']) execFileSync('ip', ['route', 'replace', 'blackhole', range]);
    machines = new SshTestLab(108);
    [machine, lab] = await Promise.all([
      machines.start('full'),
      TestLab.up(['--driver', 'ssh', '--api-port', '18443']),
    ]);
    const key = join(machines.folder, 'id');
    writeFileSync(key, machines.privateKey, { mode: 0o600 });
    const [, fingerprint = ''] = machine.run('ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub').split(' ');
    const target = ['--host', `root@${machine.address}`, '--identity', key, '--trust', fingerprint];
    const added = await drydock(['node', 'add', node, '--driver', 'ssh', ...target, '--home', lab.home]);
    expect(added.code, added.stderr).toBe(0);
    await connect();
  }, 120_000);
  afterEach(async () => {
    // A host that was killed has healed everything, or a test says that it has not.
    if (host) for (const { id, state } of await list()) if (state === 'active') await heal(id);
  });
  afterAll(async () => {
    host?.close();
    await lab?.destroy();
    machines?.dispose();
  }, 60_000);

  async function connect(): Promise<void> {
    const access = readHostAccess(new Home(lab.home));
    if (!access) throw new Error('no host holds the home');
    host = await ControlClient.connect(access);
  }
  function killDrydock(): void {
    process.kill(lab.facts.pid, 'SIGKILL');
    host?.close();
    host = undefined;
  }
  function running(): ControlClient {
    if (!host) throw new Error('Drydock was killed');
    return host;
  }
  const add = (spec: FaultSpec): Promise<Fault> =>
    running().call('fault.add', { lab: lab.facts.name, spec, forSeconds: 600 });
  const heal = (id: string): Promise<unknown> => running().call('fault.heal', { lab: lab.facts.name, id });
  async function list(): Promise<readonly Fault[]> {
    const faults: Fault[] = [];
    for await (const event of running().watch('faults', { lab: lab.facts.name })) {
      if (event.type === 'BOOKMARK') break;
      if (event.type !== 'ERROR') faults.push(event.object);
    }
    return faults;
  }

  /** Not in step: this process, too, has something to do meanwhile. */
  const run = async (script: string): Promise<string> =>
    (await exec('docker', ['exec', machine.container, 'sh', '-c', script])).stdout.trim();
  const processes = (): Promise<string> => run('ps -eo stat,args');
  const supervisor = (): Promise<string> => run("pgrep -o -f 'node-agent.cjs supervise$' || true");
  /** Of the supervisor, by the kernel: T when it is frozen. */
  const frozen = async (): Promise<boolean> => /^T\S* +\S*node .*node-agent.cjs supervise$/m.test(await processes());
  const apiAnswers = async (): Promise<boolean> =>
    (await run("timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/16443' 2>/dev/null && echo yes || true")) === 'yes';
  const left = (): Promise<string> =>
    run(
      'nft list tables | grep drydock-fault; tc qdisc show | grep df00; ' +
        'ls -A /run/drydock/hold /run/drydock/disk 2>/dev/null | grep -v : | grep .; true',
    );

  test('cuts the machine from the API server', async () => {
    expect(await apiAnswers()).toBe(true);
    const fault = await add({ kind: 'cut', from: node, to: 'api' });
    expect(await apiAnswers()).toBe(false);
    await heal(fault.id);
    expect(await apiAnswers()).toBe(true);
    expect(await left()).toBe('');
  });

  test('loses packets, limits rates, and says what the kernel cannot do', async () => {
    const lost = async (): Promise<number> => {
      const ping = ['-c', '80', '-i', '0.01', '-W', '1', machine.address];
      const { stdout } = await exec('ping', ping);
      return Number(/(\d+)(?:\.\d+)?% packet loss/.exec(stdout)?.[1]);
    };
    const loss = await add({ kind: 'shape', from: node, lossPercent: 25 });
    expect(await lost()).toBeGreaterThan(4);
    await heal(loss.id);
    expect(await lost()).toBe(0);
    const rate = await add({ kind: 'shape', from: node, rateKbit: 1000 });
    expect(await uploadMs()).toBeGreaterThan(700);
    await heal(rate.id);
    expect(await uploadMs()).toBeLessThan(700);
    const latency = await add({ kind: 'shape', from: node, latencyMs: 50 }).catch((error: unknown) => error);
    if (latency instanceof Error) expect(latency.message).toMatch(/this kernel has no 'netem' queue/);
    else await heal((latency as Fault).id);
    expect(await left()).toBe('');
  });

  /** 125 kB from the machine to this computer; measured by the machine. */
  async function uploadMs(): Promise<number> {
    const server = createServer((socket) => socket.resume()).listen(0, machine.address.replace(/\d+$/, '1'));
    await new Promise((resolve) => server.once('listening', resolve));
    const { port, address } = server.address() as AddressInfo;
    const script = `const t=Date.now();require('net').connect(${port},'${address}').end(Buffer.alloc(125000)).resume().on('close',()=>console.log(Date.now()-t))`;
    const { stdout } = await exec('docker', ['exec', machine.container, 'node', '-e', script]);
    server.close();
    return Number(stdout);
  }

  test('holds each program down', async () => {
    const lines = {
      kubelet: 'node-agent.cjs kubelet',
      'kube-proxy': 'node-agent.cjs kube-proxy',
      network: 'node-agent.cjs network',
      containerd: 'containerd --config',
    } as const;
    for (const line of Object.values(lines)) expect(await processes()).toContain(line);
    const held = Object.keys(lines).map((name) => add({ kind: 'process', node, process: name as keyof typeof lines }));
    const faults = await Promise.all(held);
    for (const line of Object.values(lines)) expect(await processes()).not.toContain(line);
    await Promise.all(faults.map(({ id }) => heal(id)));
    for (const line of Object.values(lines)) await expect.poll(processes, soon).toContain(line);
  });

  test('presses memory, CPU and process ids; drops the DNS queries of pods', async () => {
    const heldKibi = async (): Promise<number> => Math.max(...(await run('ps -eo rss=')).split('\n').map(Number));
    const sleepers = async (): Promise<number> => (await processes()).split('/bin/sleep 86400').length - 1;
    const faults = await Promise.all([
      add({ kind: 'memory', node, bytes: 300 * 1024 ** 2 }),
      add({ kind: 'pids', node, count: 50 }),
      add({ kind: 'cpu', node, cores: 1 }),
      add({ kind: 'dns', node }),
    ]);
    expect(await heldKibi()).toBeGreaterThan(300 * 1024);
    expect(await sleepers()).toBe(50);
    expect(await processes()).toContain('while :; do :; done');
    expect(await run('nft list ruleset')).toMatch(/th dport 53 drop/);
    await Promise.all(faults.map(({ id }) => heal(id)));
    expect(await heldKibi()).toBeLessThan(300 * 1024);
    expect([await sleepers(), await processes()]).toEqual([0, expect.not.stringContaining('while :; do :; done')]);
    expect(await left()).toBe('');
  });

  test('fills the disk, as its kubelet sees it', async () => {
    const available = async (): Promise<number> => {
      const summary = await lab.ok(['get', '--raw', `/api/v1/nodes/${node}/proxy/stats/summary`]);
      return (JSON.parse(summary) as { node: { fs: { availableBytes: number } } }).node.fs.availableBytes;
    };
    await expect.poll(available, soon).toBeGreaterThan(2 ** 31);
    const { id } = await add({ kind: 'disk', node, freePercent: 5 });
    expect(await available()).toBe(2 ** 29);
    await heal(id);
    expect(await available()).toBeGreaterThan(2 ** 31);
    expect(await left()).toBe('');
  });

  test('pause freezes what is ours, stop and kill end it, restart starts it again', async () => {
    const before = await supervisor();
    const pause = await add({ kind: 'node', node, action: 'pause' });
    expect(await frozen()).toBe(true);
    await heal(pause.id);
    expect([await frozen(), await supervisor()]).toEqual([false, before]);
    for (const action of ['stop', 'kill'] as const) {
      const fault = await add({ kind: 'node', node, action });
      expect(await processes(), action).not.toMatch(/node-agent.cjs [^f]|containerd/);
      await heal(fault.id);
      expect(await supervisor(), action).toMatch(/^\d+$/);
    }
    const last = await supervisor();
    const restart = await add({ kind: 'node', node, action: 'restart' });
    await expect
      .poll(async () => (await list()).find(({ id }) => id === restart.id)?.text, soon)
      .toMatch(/is up again/);
    expect(await supervisor()).not.toBe(last);
    // Nothing is left that waits to bring back what is back.
    expect(await processes()).not.toContain('agent.sh guard');
  });

  test('a frozen machine whose connection is lost resumes by itself, and the fault is over', async () => {
    const { id } = await add({ kind: 'node', node, action: 'pause' });
    await run("for pid in $(pgrep -f '[s]shd: root@notty'); do kill -9 $pid; done");
    await expect.poll(frozen, soon).toBe(false);
    await expect
      .poll(async () => (await list()).find((fault) => fault.id === id), soon)
      .toMatchObject({ state: 'healed', text: expect.stringMatching(/connection was lost/) as string });
  });

  test('nothing stays broken when Drydock is killed', async () => {
    await Promise.all([
      add({ kind: 'cut', from: node, to: 'api' }),
      add({ kind: 'process', node, process: 'kubelet' }),
      add({ kind: 'pids', node, count: 20 }),
    ]);
    await add({ kind: 'node', node, action: 'pause' });
    expect([await left(), await frozen()]).toEqual([expect.stringContaining('kubelet'), true]);
    killDrydock();
    await expect.poll(frozen, soon).toBe(false);
    await expect.poll(left, soon).toBe('');
    await expect.poll(processes, soon).toContain('node-agent.cjs kubelet');
    expect(await processes()).not.toMatch(/sleep 86400|agent.sh guard/);
  });

  test('a machine that was stopped starts by itself when Drydock is killed, and stays off when the lab is', async () => {
    await lab.upAgain();
    await connect();
    await add({ kind: 'node', node, action: 'stop' });
    expect(await supervisor()).toBe('');
    killDrydock();
    await expect.poll(supervisor, soon).toMatch(/^\d+$/);
    await lab.upAgain();
    await connect();
    await add({ kind: 'node', node, action: 'kill' });
    await lab.down();
    expect(await supervisor()).toBe('');
    expect(await processes()).not.toContain('agent.sh guard');
    host = undefined;
  });
});
