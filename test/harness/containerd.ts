import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  openSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { imageArchive, type BuiltImage } from '#images/oci-archive';
import { onPath, type Program } from './programs.ts';

/** What a containerd of one's own needs: Debian's packages, and the right to make namespaces. */
export const containerdPrograms: readonly Program[] = [
  onPath('containerd', 'apt-get install containerd'),
  onPath('runc', 'apt-get install runc'),
  onPath('ip', 'apt-get install iproute2'),
  existsSync('/usr/lib/cni/bridge')
    ? { path: '/usr/lib/cni' }
    : { missing: 'no CNI plugins (apt-get install containernetworking-plugins)' },
  process.getuid?.() === 0 ? { path: '/' } : { missing: 'starting a containerd needs root' },
];

const cgroupRoot = '/sys/fs/cgroup';

/**
 * A real containerd with its own root, state and socket, in network, mount and process namespaces of its own: when the
 * first process of the last goes, every container, mount and interface goes with it. Its streaming server is reached
 * over a veth pair.
 */
export class TestContainerd {
  readonly folder = mkdtempSync(join(tmpdir(), 'drydock-containerd-'));
  readonly endpoint = `unix://${join(this.folder, 'containerd.sock')}`;
  /** Where the containers' cgroups are put, so that they can be removed. */
  readonly cgroup = `/drydock-containerd-${process.pid}`;
  readonly #link = `ddc${process.pid}`;
  readonly #subnet = `198.18.${(process.pid >> 6) & 255}`;
  readonly #first = (process.pid & 63) * 4;
  #process: ChildProcess | undefined;

  /** Addresses of the test's end and of containerd's end of the link between them. */
  get hostAddress(): string {
    return `${this.#subnet}.${this.#first + 1}`;
  }
  get address(): string {
    return `${this.#subnet}.${this.#first + 2}`;
  }

  async start(): Promise<void> {
    mkdirSync(join(this.folder, 'cni'), { recursive: true });
    writeFileSync(join(this.folder, 'config.toml'), this.#config());
    writeFileSync(join(this.folder, 'cni/10-test.conflist'), JSON.stringify(this.#network()));
    writeFileSync(join(this.folder, 'outer.sh'), this.#outer());
    writeFileSync(join(this.folder, 'inner.sh'), this.#inner());
    const log = openSync(this.logPath, 'w');
    this.#process = spawn(
      'unshare',
      ['--net', '--mount', '--propagation', 'private', 'sh', join(this.folder, 'outer.sh')],
      {
        stdio: ['ignore', log, log],
      },
    );
    await this.#until('the link', () => spawnSync('ip', ['link', 'show', this.#link]).status === 0);
    run('ip', 'address', 'add', `${this.hostAddress}/30`, 'dev', this.#link);
    run('ip', 'link', 'set', this.#link, 'up');
    await this.ready();
  }

  /** Waits until containerd serves CRI. */
  ready(): Promise<void> {
    return this.#until('containerd', () => this.#ctr('plugins', 'list').stdout.includes('cri '));
  }

  get logPath(): string {
    return join(this.folder, 'containerd.log');
  }

  async import(...images: readonly BuiltImage[]): Promise<void> {
    const ctr = spawn('ctr', [...this.#address(), '--namespace', 'k8s.io', 'images', 'import', '-'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const ended = new Promise<number | null>((resolve) => ctr.once('exit', resolve));
    await pipeline(imageArchive(images), ctr.stdin);
    if ((await ended) !== 0) throw new Error('ctr images import failed');
  }

  /** Kills containerd alone; its shims and containers go on, and it is started again at once. */
  async restart(): Promise<void> {
    const pid = Number(readFileSync(join(this.folder, 'state/pid'), 'utf8'));
    run('nsenter', '--target', String(this.#innerPid()), '--pid', '--mount', 'kill', '-9', String(pid));
    await this.#until('another containerd', () => Number(readFileSync(join(this.folder, 'state/pid'), 'utf8')) !== pid);
    await this.ready();
  }

  async stop(): Promise<void> {
    const outer = this.#process;
    if (outer?.pid !== undefined && outer.exitCode === null && outer.signalCode === null) {
      const ended = new Promise((resolve) => outer.once('exit', resolve));
      // Killing the parent has the kernel kill the first process of the inner namespace, and that all others.
      outer.kill('SIGKILL');
      await ended;
    }
    spawnSync('ip', ['link', 'delete', this.#link]);
    for (const controller of readdirSync(cgroupRoot)) await removeCgroup(join(cgroupRoot, controller, this.cgroup));
    rmSync(this.folder, { recursive: true, force: true });
  }

  #address(): readonly string[] {
    return ['--address', join(this.folder, 'containerd.sock')];
  }

  #ctr(...args: readonly string[]): { readonly stdout: string } {
    return spawnSync('ctr', [...this.#address(), ...args], { encoding: 'utf8' });
  }

  #innerPid(): number {
    const pid = this.#process?.pid ?? 0;
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
  }

  async #until(what: string, condition: () => boolean): Promise<void> {
    for (let tries = 0; tries < 300; tries++) {
      if (condition()) return;
      if (this.#process?.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${what} did not come up:\n${readFileSync(this.logPath, 'utf8').slice(-4000)}`);
  }

  #outer(): string {
    return `set -e
ip link set lo up
ip link add eth0 type veth peer name ${this.#link} netns ${process.pid}
ip address add ${this.address}/30 dev eth0
ip link set eth0 up
mount -t tmpfs tmpfs /run
exec unshare --pid --fork --kill-child --mount-proc sh ${join(this.folder, 'inner.sh')}
`;
  }

  #inner(): string {
    return `while :; do
  containerd --config ${join(this.folder, 'config.toml')} &
  echo $! >${join(this.folder, 'state/pid')}
  wait $!
done
`;
  }

  #config(): string {
    mkdirSync(join(this.folder, 'state'), { recursive: true });
    return `version = 2
root = "${this.folder}/root"
state = "${this.folder}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "${this.folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "${this.folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "registry.k8s.io/pause:3.10"
stream_server_address = "${this.address}"
stream_server_port = "0"
restrict_oom_score_adj = true
disable_apparmor = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "${this.folder}/cni"
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "${this.folder}/registries"
`;
  }

  #network(): object {
    const ipam = {
      type: 'host-local',
      dataDir: join(this.folder, 'ipam'),
      ranges: [[{ subnet: '10.88.77.0/24' }]],
      routes: [{ dst: '0.0.0.0/0' }],
    };
    return {
      cniVersion: '0.4.0',
      name: 'test',
      plugins: [
        { type: 'bridge', bridge: 'pods', isGateway: true, ipam },
        { type: 'portmap', capabilities: { portMappings: true } },
      ],
    };
  }
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

/** From the leaves up; a process that has been killed may hold its cgroup a moment longer. */
async function removeCgroup(path: string): Promise<void> {
  if (!existsSync(path) || !statSync(path).isDirectory()) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeCgroup(join(path, entry.name));
  }
  for (let tries = 0; spawnSync('rmdir', [path]).status !== 0 && tries < 50; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
