import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onPath, type Program } from './programs.ts';

/** What a Docker Engine of one's own needs: Debian's packages, and the right to make namespaces. */
export const dockerdPrograms: readonly Program[] = [
  onPath('dockerd', 'apt-get install docker.io'),
  onPath('docker', 'apt-get install docker.io'),
  onPath('ip', 'apt-get install iproute2'),
  process.getuid?.() === 0 ? { path: '/' } : { missing: 'starting a dockerd needs root' },
];

const cgroupRoot = '/sys/fs/cgroup';

/**
 * A real dockerd with its own data, state and socket, in network, mount and process namespaces of its own: what it makes
 * neither meets the machine's engine nor outlives the test. When its first process goes, everything in it goes.
 */
export class TestDockerd {
  readonly folder = mkdtempSync(join(tmpdir(), 'drydock-dockerd-'));
  readonly endpoint = `unix://${join(this.folder, 'docker.sock')}`;
  /** The network that pods are put into. */
  readonly network = 'pods';
  readonly cgroup = `/drydock-dockerd-${process.pid}`;
  #process: ChildProcess | undefined;

  async start(): Promise<void> {
    writeFileSync(join(this.folder, 'inner.sh'), this.#script());
    writeFileSync(join(this.folder, 'daemon.json'), '{}');
    const log = openSync(this.logPath, 'w');
    const namespaces = ['--net', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'];
    const command = ['--mount-proc', 'sh', join(this.folder, 'inner.sh')];
    this.#process = spawn('unshare', [...namespaces, ...command], { stdio: ['ignore', log, log] });
    await this.ready();
    const made = this.docker('network', 'create', '--subnet', '10.88.78.0/24', this.network);
    if (made.status !== 0) throw new Error(made.stderr);
  }

  /** Waits until the engine answers. */
  async ready(): Promise<void> {
    for (let tries = 0; tries < 300; tries++) {
      if (this.docker('version').status === 0) return;
      if (this.#process?.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`dockerd did not come up:\n${readFileSync(this.logPath, 'utf8').slice(-4000)}`);
  }

  get logPath(): string {
    return join(this.folder, 'dockerd.log');
  }

  docker(...args: readonly string[]): {
    readonly status: number | null;
    readonly stdout: string;
    readonly stderr: string;
  } {
    return spawnSync('docker', ['--host', this.endpoint, ...args], { encoding: 'utf8' });
  }

  /** Kills dockerd alone; its containers go on (`--live-restore`), and it is started again at once. */
  async restart(): Promise<void> {
    const pid = this.#dockerd();
    if (pid === undefined) throw new Error('dockerd does not run');
    process.kill(pid, 'SIGKILL');
    for (let tries = 0; [pid, undefined].includes(this.#dockerd()) && tries < 100; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await this.ready();
  }

  /** Its process id outside of its namespaces: a child of the shell that starts it again. */
  #dockerd(): number | undefined {
    const [shell] = childrenOf(this.#process?.pid ?? 0);
    return childrenOf(shell ?? 0).find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'dockerd');
  }

  async stop(): Promise<void> {
    const outer = this.#process;
    if (outer?.pid !== undefined && outer.exitCode === null && outer.signalCode === null) {
      const ended = new Promise((resolve) => outer.once('exit', resolve));
      // The kernel then kills the first process of the inner namespace, and with that all others.
      outer.kill('SIGKILL');
      await ended;
    }
    for (const controller of readdirSync(cgroupRoot)) await removeCgroup(join(cgroupRoot, controller, this.cgroup));
    await removeCgroup(join(cgroupRoot, this.cgroup));
    rmSync(this.folder, { recursive: true, force: true });
  }

  #script(): string {
    const { folder } = this;
    return `mount -t tmpfs tmpfs /run
ip link set lo up
while :; do
  rm -f ${folder}/docker.pid
  dockerd --data-root ${folder}/data --exec-root ${folder}/exec --pidfile ${folder}/docker.pid --config-file ${folder}/daemon.json \\
    --host ${this.endpoint} --bip 10.88.77.1/24 --cgroup-parent ${this.cgroup} --live-restore --log-level warn &
  wait $!
  sleep 0.2
done
`;
  }
}

function childrenOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? [] : children.split(' ').map(Number);
}

/** From the leaves up; a process that has been killed may hold its cgroup a moment longer. */
async function removeCgroup(path: string): Promise<void> {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeCgroup(join(path, entry.name));
  }
  for (let tries = 0; tries < 50; tries++) {
    try {
      rmdirSync(path);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
