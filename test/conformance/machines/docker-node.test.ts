import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Context } from '#base/context';
import { agentFiles, dockerProgram, testDockerDriver } from '../../harness/docker.ts';
import { skipWithout } from '../../harness/programs.ts';
import { run } from './run.ts';

const context = Context.background();
const poll = { timeout: 15_000, interval: 200 };
const resources = { cpus: 0.5, memoryBytes: 768 * 1024 ** 2 };
const busybox = 'docker.io/library/busybox:1.36';

/** A way to the engine that can be broken. */
class EngineProxy {
  readonly path: string;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  constructor(path: string) {
    this.path = path;
  }

  async open(): Promise<void> {
    if (this.#server) return;
    const server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ path: '/var/run/docker.sock', allowHalfOpen: true });
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => to.destroy()).on('close', () => this.#sockets.delete(from));
        from.pipe(to);
      }
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.path, resolve));
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  }
}

describe.skipIf(skipWithout(dockerProgram()))('inside a Docker node', { timeout: 120_000 }, () => {
  const { driver, dispose } = testDockerDriver();
  const lab = driver.lab('node');
  const machine = lab.machine('worker-1', resources, 2);
  const files = agentFiles({ nodeName: 'worker-1', driver: 'docker' });
  const shell = async (script: string): Promise<string> => {
    const { stdout, stderr, exitCode } = await run(machine, ['bash', '-c', script]);
    expect({ script, stderr, exitCode }).toMatchObject({ exitCode: 0 });
    return stdout.trim();
  };
  const pidOf = async (name: string): Promise<string> => {
    const reports = JSON.parse(await shell('cat /run/drydock/status.json')) as { name: string; pid?: number }[];
    return String(reports.find((report) => report.name === name)?.pid ?? '');
  };
  const stateOf = async (name: string): Promise<string | undefined> => {
    const reports = JSON.parse(await shell('cat /run/drydock/status.json')) as { name: string; state: string }[];
    return reports.find((report) => report.name === name)?.state;
  };
  beforeAll(async () => {
    await machine.prepare(context, () => undefined);
    await machine.start(context, files, () => undefined);
  }, 180_000);
  afterAll(dispose, 60_000);

  test('is not privileged, and every pod lies in its cgroup', async () => {
    const facts = JSON.parse(execFileSync('docker', ['inspect', machine.containerName], { encoding: 'utf8' })) as {
      HostConfig: { Privileged: boolean; CapDrop: string[] };
    }[];
    expect(facts[0]?.HostConfig).toMatchObject({ Privileged: false, CapDrop: ['ALL'] });
    const run1 = `ctr -n k8s.io run --rm --cgroup /kubepods/t1`;
    expect(await shell(`${run1} ${busybox} t1 cat /proc/self/cgroup`)).toContain(':/kubepods/t1');
    // More than its limit: the kernel kills it, not the node.
    const eat = 'dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null; echo $?';
    expect(await shell(`${run1} --memory-limit 33554432 ${busybox} t1 sh -c '${eat}' 2>/dev/null`)).toBe('137');
    const privileged = 'mkdir -p /mnt && mount -t tmpfs none /mnt && echo mounted';
    expect(await shell(`${run1} --privileged ${busybox} t1 sh -c '${privileged}'`)).toBe('mounted');
  });

  test('has the CPU and memory it was given, changed while it runs', async () => {
    const limits = (): { NanoCpus: number; Memory: number } => {
      const text = execFileSync('docker', ['inspect', '-f', '{{json .HostConfig}}', machine.containerName]);
      return JSON.parse(text.toString()) as { NanoCpus: number; Memory: number };
    };
    expect(limits()).toMatchObject({ NanoCpus: 5e8, Memory: resources.memoryBytes });
    await machine.setResources(context, { cpus: 1, memoryBytes: 1024 ** 3 });
    expect(limits()).toMatchObject({ NanoCpus: 1e9, Memory: 1024 ** 3 });
    expect(machine.resources).toEqual({ cpus: 1, memoryBytes: 1024 ** 3 });
  });

  test('containers go on while containerd is held down', async () => {
    await shell(`ctr -n k8s.io run -d ${busybox} t2 sleep 1000`);
    const pid = await shell('pgrep -f "^sleep 1000"');
    await shell('touch /run/drydock/hold/containerd');
    await expect.poll(() => stateOf('containerd'), poll).toBe('held');
    expect((await run(machine, ['ctr', 'version'])).exitCode).not.toBe(0);
    expect(await shell('pgrep -f "^sleep 1000"')).toBe(pid);
    await shell('rm /run/drydock/hold/containerd');
    await expect.poll(async () => (await run(machine, ['ctr', 'version'])).exitCode, poll).toBe(0);
    expect(await shell('ctr -n k8s.io tasks ls')).toMatch(new RegExp(`t2\\s+${pid}\\s+RUNNING`));
  });

  test('a program that is killed is started again', async () => {
    const before = await pidOf('containerd');
    await shell(`kill -9 ${before}`);
    await expect.poll(() => stateOf('containerd'), poll).toBe('running');
    expect(await pidOf('containerd')).not.toBe(before);
  });

  test('other files restart the agent and leave containerd alone', async () => {
    const before = [await pidOf('containerd'), await pidOf('network')];
    const changed = agentFiles({ nodeName: 'worker-1', driver: 'docker', bootstrapToken: 'other' });
    await machine.start(context, changed, () => undefined);
    await expect.poll(() => pidOf('network'), poll).not.toBe(before[1]);
    expect(await pidOf('containerd')).toBe(before[0]);
    expect(await shell('pgrep -f "^sleep 1000"')).not.toBe('');
  });

  test('leaves no zombies', async () => {
    await shell('(sleep 0.1 & exec true) & sleep 0.5');
    expect(await shell("ps -eo stat= | grep -c '^Z' || true")).toBe('0');
  });

  test('comes back by itself when its container is restarted', async () => {
    execFileSync('docker', ['restart', '-t', '10', machine.containerName], { stdio: 'ignore' });
    await expect.poll(() => machine.state, poll).toBe('running');
    await expect.poll(async () => (await run(machine, ['test', '-e', '/run/drydock/ready'])).exitCode, poll).toBe(0);
    expect(await shell('ctr -n k8s.io images ls -q')).toContain(busybox);
  });

  test('gets a new container with its old disk when its network was made anew', async () => {
    await shell('echo kept >/var/lib/drydock/mark');
    await machine.stop(context);
    const before = lab.network.facts;
    execFileSync('docker', ['network', 'rm', lab.network.name], { stdio: 'ignore' });
    await machine.start(context, files, () => undefined);
    expect(lab.network.facts?.id).not.toBe(before?.id);
    expect(await shell('cat /var/lib/drydock/mark')).toBe('kept');
    expect(await shell('ctr -n k8s.io images ls -q')).toContain(busybox);
  });

  test('is unreachable while the engine is away, and seen again when it is back', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'drydock-engine-'));
    const away = new EngineProxy(join(folder, 'docker.sock'));
    await away.open();
    const second = testDockerDriver(away.path);
    const node = second.driver.lab('away').machine('worker-1', resources, 2);
    try {
      await node.prepare(context, () => undefined);
      await node.start(context, files, () => undefined);
      await away.close();
      await expect.poll(() => node.state, poll).toBe('unreachable');
      await away.open();
      await expect.poll(() => node.state, poll).toBe('running');
    } finally {
      await away.open();
      await second.dispose();
      await away.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('a sweep keeps labs that are named and takes all others of this home', async () => {
    const other = testDockerDriver();
    try {
      await driver.sweep(context, ['node']);
      await other.driver.sweep(context, []);
      await machine.refresh(context);
      expect(machine.state).toBe('running');
      await driver.sweep(context, []);
      await machine.refresh(context);
      expect(machine.state).toBe('absent');
    } finally {
      await other.dispose();
    }
  });
});
