import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RealClock } from '#base/clock';
import { SinkLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { Context } from '#base/context';
import { SshConnection } from '#machines/ssh/connection';
import { HostKeyError, type SshAuth, type SshTarget, type TrustedHostKey } from '#machines/ssh/target';
import { sshMachineImage, type SshMachineKind } from './ssh-machine-image.ts';

/** A container with a real sshd that stands for a machine. */
export interface SshTestMachine {
  readonly container: string;
  readonly address: string;
  readonly target: (user: string, auth: SshAuth, more?: Partial<SshTarget>) => SshTarget;
  /** Runs as root in the container, not through SSH; throws when it fails. */
  readonly run: (script: string) => string;
  readonly password: string;
}

/** Docker network of one test file, with addresses that stay when a machine restarts. */
export class SshTestLab {
  readonly privateKey: string;
  /** For files of the test; gone afterwards. */
  readonly folder = mkdtempSync(join(tmpdir(), 'drydock-ssh-lab-'));
  readonly #publicKey: string;
  readonly #name: string;
  readonly #network: string;
  readonly #prefix: string;
  readonly #containers: string[] = [];
  readonly #machines: SshTestMachine[] = [];
  #next = 10;

  /**
   * `index` is this test file's own: 172.29.`index`.0/24. An `offline` lab's machines reach this host only. With `join` the
   * machines stand on a network that is there already, and stays.
   */
  constructor(
    index: number,
    options: { readonly offline?: boolean; readonly join?: { readonly network: string; readonly prefix: string } } = {},
  ) {
    this.#name = `drydock-test-ssh-${index}`;
    this.#prefix = options.join?.prefix ?? `172.29.${index}`;
    this.#network = options.join?.network ?? this.#name;
    this.#sweep();
    ({ privateKey: this.privateKey, publicKey: this.#publicKey } = makeKeyPair());
    if (options.join) {
      this.#next = 150;
      return;
    }
    const internal = options.offline ? ['--internal'] : [];
    docker(
      'network',
      'create',
      '--label',
      'drydock.test=ssh',
      '--subnet',
      `${this.#prefix}.0/24`,
      ...internal,
      this.#network,
    );
  }

  async start(kind: SshMachineKind): Promise<SshTestMachine> {
    const address = `${this.#prefix}.${this.#next++}`;
    const container = `${this.#name}-${this.#next}`;
    this.#containers.push(container);
    docker(
      ...runArguments,
      '--name',
      container,
      '--hostname',
      `ssh-${this.#next}`,
      '--network',
      this.#network,
      '--ip',
      address,
      sshMachineImage(kind),
    );
    const run = (script: string): string => docker('exec', container, 'sh', '-c', script);
    const password = randomBytes(8).toString('hex');
    run(
      `for user in root admin deputy nosudo; do home=$(getent passwd $user | cut -d: -f6); mkdir -p $home/.ssh; ` +
        `echo '${this.#publicKey}' >$home/.ssh/authorized_keys; chown -R $user: $home/.ssh; echo "$user:${password}"; ` +
        'done | chpasswd',
    );
    const machine: SshTestMachine = {
      container,
      address,
      run,
      password,
      target: (user, auth, more = {}) => ({ host: address, port: 22, user, auth, ...more }),
    };
    await untilReachable(machine.target('root', { kind: 'key', privateKey: this.privateKey }));
    this.#machines.push(machine);
    return machine;
  }

  /** In the order of their start. */
  get machines(): readonly SshTestMachine[] {
    return this.#machines;
  }

  key(): SshAuth {
    return { kind: 'key', privateKey: this.privateKey };
  }

  dispose(): void {
    this.#sweep();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #sweep(): void {
    const left = docker('ps', '-aq', '--filter', `name=^${this.#name}-`).split('\n').filter(Boolean);
    if (left.length > 0) docker('rm', '-f', '-v', ...left);
    spawnSync('docker', ['network', 'rm', this.#name], { stdio: 'ignore' });
  }
}

/** What a machine needs to run containers of its own; see `/work/shared/tools/docker-engine` for the host's limits. */
const runArguments: readonly string[] = [
  ...['run', '--detach', '--init', '--label', 'drydock.test=ssh', '--cap-add', 'ALL', '--cap-drop', 'SYS_RESOURCE'],
  ...['--security-opt', 'seccomp=unconfined', '--security-opt', 'apparmor=unconfined'],
  ...['--security-opt', 'systempaths=unconfined', '--cgroupns=private'],
  ...['--volume', '/var/lib/drydock', '--tmpfs', '/run', '--tmpfs', '/tmp:exec'],
];

export function docker(...args: readonly string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** An Ed25519 pair as OpenSSH writes it, and its line for authorized_keys. */
export function makeKeyPair(passphrase = ''): { readonly privateKey: string; readonly publicKey: string } {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-ssh-key-'));
  try {
    const file = join(folder, 'id_ed25519');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-C', 'drydock-test', '-f', file]);
    return { privateKey: readFileSync(file, 'utf8'), publicKey: readFileSync(`${file}.pub`, 'utf8').trim() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The user's list of trusted keys, as a test keeps it. */
export class KnownHosts {
  readonly #keys = new Map<string, TrustedHostKey[]>();
  readonly trusted = (host: string, port: number): readonly TrustedHostKey[] => this.#keys.get(`${host}:${port}`) ?? [];

  trust(host: string, port: number, key: TrustedHostKey): void {
    this.#keys.set(`${host}:${port}`, [key]);
  }
}

export const clock = new RealClock();

/** What every SSH call of a test is given; a seed of its own, no log. */
export function linkParts(known: KnownHosts): {
  readonly clock: RealClock;
  readonly random: SeededRandom;
  readonly logger: SinkLogger;
  readonly trusted: KnownHosts['trusted'];
} {
  return { clock, random: new SeededRandom(1), logger: new SinkLogger(clock, () => {}), trusted: known.trusted };
}

/** Trusts the keys on the way to `target`, as a user does who looks at each. */
export async function trustOnFirstUse(target: SshTarget, known = new KnownHosts()): Promise<KnownHosts> {
  for (;;) {
    try {
      (await SshConnection.open(Context.background(), target, { clock, trusted: known.trusted })).close();
      return known;
    } catch (error) {
      if (!(error instanceof HostKeyError) || error.trusted.length > 0) throw error;
      known.trust(error.offered.host, error.offered.port, error.offered);
    }
  }
}

/** sshd makes its keys first; at most 20 s. */
async function untilReachable(target: SshTarget): Promise<void> {
  const { context } = Context.background().withTimeout(clock, 20_000);
  for (;;) {
    try {
      await trustOnFirstUse(target);
      return;
    } catch {
      await clock.sleep(context, 100);
    }
  }
}
