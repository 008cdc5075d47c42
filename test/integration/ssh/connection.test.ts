import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Context } from '#base/context';
import type { ByteStream } from '#base/streams';
import { MachineError } from '#machines/errors';
import { SshConnection } from '#machines/ssh/connection';
import { probeSsh } from '#machines/ssh/probe';
import { collect, execAsRoot, rootAccess } from '#machines/ssh/shell';
import { HostKeyError, type SshTarget } from '#machines/ssh/target';
import { onPath, skipWithout } from '../../harness/programs.ts';
import { dockerProgram, mmdebstrapProgram, sshMachineImage } from '../../harness/ssh-machine-image.ts';
import {
  clock,
  KnownHosts,
  makeKeyPair,
  SshTestLab,
  trustOnFirstUse,
  type SshTestMachine,
} from '../../harness/ssh-machine.ts';

const agentProgram = onPath('ssh-agent', 'apt-get install openssh-client');
const context = Context.background();

const skip = skipWithout(dockerProgram, mmdebstrapProgram, agentProgram);
if (!skip) sshMachineImage('bare');

describe.skipIf(skip)('SSH connections to a real sshd', () => {
  let lab: SshTestLab;
  let machine: SshTestMachine;
  let known: KnownHosts;
  const open = (target: SshTarget, timeoutMs = 20_000): Promise<SshConnection> =>
    SshConnection.open(context, target, { clock, trusted: known.trusted, timeoutMs });
  const codeOf = async (work: Promise<unknown>): Promise<string> => {
    const error = await work.then(() => undefined).catch((thrown: unknown) => thrown);
    return error instanceof MachineError ? `${error.code}: ${error.message}` : `not a MachineError: ${String(error)}`;
  };

  beforeAll(async () => {
    lab = new SshTestLab(101);
    machine = await lab.start('bare');
    known = await trustOnFirstUse(machine.target('root', lab.key()));
  }, 180_000);
  afterAll(() => lab.dispose());

  test('shows the key of a new host as OpenSSH prints it, and trusts nothing by itself', async () => {
    known = new KnownHosts();
    const error = await open(machine.target('root', lab.key())).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(HostKeyError);
    if (!(error instanceof HostKeyError)) return;
    const line = machine.run('ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub');
    expect(line).toContain(error.offered.fingerprint);
    expect(error.offered.type).toBe('ssh-ed25519');
    known.trust(machine.address, 22, error.offered);
    (await open(machine.target('root', lab.key()))).close();
  });

  test('refuses a key that has changed, and prefers the type that is trusted', async () => {
    const good = known;
    const [right] = good.trusted(machine.address, 22);
    if (!right) throw new Error('no key is trusted');
    known = new KnownHosts();
    known.trust(machine.address, 22, { ...right, fingerprint: 'SHA256:0000' });
    expect(await codeOf(open(machine.target('root', lab.key())))).toMatch(
      /^HOST_KEY: .*has changed.*forget the old key/,
    );
    const [, fingerprint = ''] = machine.run('ssh-keygen -lf /etc/ssh/ssh_host_ecdsa_key.pub').split(' ');
    known.trust(machine.address, 22, { type: 'ecdsa-sha2-nistp256', fingerprint });
    (await open(machine.target('root', lab.key()))).close();
    known = good;
  });

  test('says what is wrong: key, password, port, address, name', async () => {
    const other = makeKeyPair().privateKey;
    expect(await codeOf(open(machine.target('root', { kind: 'key', privateKey: other })))).toMatch(
      /^FORBIDDEN: .*does not accept the key of root \(it accepts: publickey, password/,
    );
    expect(await codeOf(open(machine.target('root', { kind: 'password', password: 'wrong' })))).toMatch(
      /^FORBIDDEN: .*does not accept the password of root/,
    );
    expect(await codeOf(open(machine.target('root', { kind: 'key', privateKey: 'nonsense' })))).toMatch(/^INVALID: /);
    expect(await codeOf(open(machine.target('root', lab.key(), { port: 23 })))).toMatch(
      /^UNREACHABLE: .*refuses connections/,
    );
    expect(await codeOf(open(machine.target('root', lab.key(), { host: 'no-such-host.invalid' })))).toMatch(
      /^UNREACHABLE: No address is known/,
    );
    // An address of the test's own network that nobody has.
    const nobody = machine.address.replace(/\d+$/, '250');
    expect(await codeOf(open(machine.target('root', lab.key(), { host: nobody }), 1000))).toMatch(
      /^UNREACHABLE: .*(did not answer within 1 s|No route)/,
    );
  });

  test('logs in by password, by questions, by an encrypted key and by the SSH agent', async () => {
    const answers: string[] = [];
    const auths: readonly SshTarget['auth'][] = [
      { kind: 'password', password: machine.password },
      {
        kind: 'keyboard-interactive',
        answer: async (questions) =>
          questions.map((question) => {
            answers.push(question.prompt);
            return machine.password;
          }),
      },
    ];
    machine.run(
      'sed -i "s/^KbdInteractiveAuthentication no/KbdInteractiveAuthentication yes/" /etc/ssh/sshd_config && kill -HUP $(cat /run/sshd.pid)',
    );
    for (const auth of auths) {
      await expect
        .poll(() => codeOf(open(machine.target('admin', auth)).then((c) => c.close())))
        .toBe('not a MachineError: undefined');
    }
    expect(answers.join()).toMatch(/password/i);
    const encrypted = makeKeyPair('open sesame');
    machine.run(`echo '${encrypted.publicKey}' >>/home/admin/.ssh/authorized_keys`);
    const withKey = (passphrase?: string): Promise<string> => {
      const auth = { kind: 'key', privateKey: encrypted.privateKey, ...(passphrase ? { passphrase } : {}) } as const;
      return codeOf(open(machine.target('admin', auth)).then((connection) => connection.close()));
    };
    expect(await withKey('open sesame')).toBe('not a MachineError: undefined');
    expect(await withKey()).toMatch(/^INVALID: .*give its passphrase/);
    expect(await withKey('guess')).toMatch(/^INVALID: .*check the passphrase/);
  });

  test('logs in by the keys of a running SSH agent', async () => {
    const agent = startAgent(lab.privateKey);
    try {
      const connection = await open(machine.target('admin', { kind: 'agent', socket: await agent.socket }));
      const { stdout } = await collect(context, await connection.exec(context, 'id -un', { stdin: false }));
      expect(stdout).toBe('admin\n');
      connection.close();
    } finally {
      agent.process.kill();
    }
    expect(await codeOf(open(machine.target('admin', { kind: 'agent', socket: '/nonexistent/agent' })))).toMatch(
      /^MISSING: .*agent/,
    );
  });

  test('commands have standard input, both outputs and an exit code; signals too', async () => {
    const connection = await open(machine.target('root', lab.key()));
    const big = new Uint8Array(3_000_000).fill(97);
    const counted = await collect(
      context,
      await connection.exec(context, 'wc -c; echo oops >&2; exit 7', { stdin: true }),
      big,
    );
    expect(counted).toEqual({ exitCode: 7, stdout: '3000000\n', stderr: 'oops\n' });
    const killed = await collect(context, await connection.exec(context, 'kill -9 $$', { stdin: false }));
    expect(killed.exitCode).toBe(137);
    connection.close();
  });

  test('sudo: without a password, with one, with a wrong one, and not at all', async () => {
    const asRoot = async (user: string, sudoPassword?: string): Promise<string> => {
      const connection = await open(machine.target(user, lab.key()));
      try {
        const access = await rootAccess(context, connection, user, sudoPassword);
        const session = await execAsRoot(context, connection, access, ['sh', '-c', 'id -u; cat; printf err >&2'], {
          stdin: true,
        });
        const { stdout, stderr, exitCode } = await collect(context, session, new TextEncoder().encode("it's $HOME"));
        return JSON.stringify([stdout, stderr, exitCode]);
      } catch (error) {
        return error instanceof MachineError ? `${error.code}: ${error.message}` : String(error);
      } finally {
        connection.close();
      }
    };
    const good = JSON.stringify(["0\nit's $HOME", 'err', 0]);
    expect(await asRoot('root')).toBe(good);
    expect(await asRoot('admin')).toBe(good);
    // A password nobody asks for must not reach the command.
    expect(await asRoot('admin', 'unneeded')).toBe(good);
    expect(await asRoot('deputy', machine.password)).toBe(good);
    expect(await asRoot('deputy')).toBe(
      'FORBIDDEN: deputy cannot become root: sudo asks for a password: give it, or allow sudo without one',
    );
    expect(await asRoot('deputy', 'wrong')).toMatch(/^FORBIDDEN: .*does not accept the password/);
    expect(await asRoot('nosudo', machine.password)).toMatch(/^FORBIDDEN: nosudo cannot become root: .*sudoers/);
  });

  test('dials from the machine, and carries connections of the machine back', async () => {
    const connection = await open(machine.target('root', lab.key()));
    const banner = await connection.dial(context, { ip: '127.0.0.1', port: 22 });
    for await (const chunk of banner.incoming) {
      expect(Buffer.from(chunk).toString()).toMatch(/^SSH-2.0-OpenSSH/);
      break;
    }
    banner.destroy();
    expect(await codeOf(connection.dial(context, { ip: '127.0.0.1', port: 9 }))).toMatch(
      /^not a MachineError: DialError: 127.0.0.1:9 cannot be reached/,
    );
    await connection.listen(context, 16443, (stream) => void shout(stream));
    const script = 'exec 3<>/dev/tcp/127.0.0.1/16443; echo hello >&3; head -n1 <&3';
    const { stdout } = await collect(context, await connection.exec(context, `bash -c '${script}'`, { stdin: false }));
    expect(stdout).toBe('HELLO\n');
    expect(await codeOf(connection.listen(context, 22, () => undefined))).toMatch(/^ADDRESS_CLASH: /);
    connection.close();
  });

  test('goes through jump hosts', async () => {
    const inner = await lab.start('bare');
    const target = { ...inner.target('root', lab.key()), jumps: [machine.target('nosudo', lab.key())] };
    const both = await trustOnFirstUse(target);
    const connection = await SshConnection.open(context, target, { clock, trusted: both.trusted });
    const { stdout } = await collect(
      context,
      await connection.exec(context, 'echo "$SSH_CONNECTION"', { stdin: false }),
    );
    expect(stdout.split(' ')[0]).toBe(machine.address);
    connection.close();
  });

  test('what is in flight fails when the connection is cut', async () => {
    const connection = await open(machine.target('root', lab.key()));
    const session = await connection.exec(context, 'sleep 100', { stdin: false });
    const reading = collect(context, session);
    machine.run(
      "for p in /proc/[0-9]*; do case $(tr '\\0' ' ' 2>/dev/null <$p/cmdline) in 'sshd: root@notty'*) kill -9 ${p#/proc/};; esac; done; true",
    );
    expect(await codeOf(reading)).toMatch(/^UNREACHABLE: The SSH connection to root@.* was lost/);
    expect(await codeOf(connection.exec(context, 'true', { stdin: false }))).toMatch(/^UNREACHABLE: /);
  });

  test('the probe says what the machine is and what it lacks, and changes nothing', async () => {
    const probe = await probeSsh(context, machine.target('admin', lab.key()), { clock, trusted: known.trusted });
    expect(probe).toMatchObject({
      osId: 'debian',
      osCodename: 'bookworm',
      architecture: 'x86_64',
      systemd: false,
      packageManager: 'apt',
      privilege: 'sudo',
      foreignContainerd: false,
      address: machine.address,
      subnet: machine.address.replace(/\d+$/, '0/24'),
      missing: ['containerd', 'runc', 'cni-plugins', 'nftables', 'conntrack', 'arping', 'nodejs', 'busybox-static'],
    });
    expect(probe.kernelFeatures).toEqual({ overlay: 'yes', bridge: 'yes', vxlan: 'yes', veth: 'yes', nft: 'unknown' });
    expect(probe.cpus).toBeGreaterThan(0);
    expect(probe.memoryBytes).toBeGreaterThan(1e8);
    expect(probe.diskFreeBytes).toBeGreaterThan(1e8);
    expect(
      await codeOf(probeSsh(context, machine.target('nosudo', lab.key()), { clock, trusted: known.trusted })),
    ).toMatch(/^FORBIDDEN: nosudo cannot become root/);
  });
});

async function shout(stream: ByteStream): Promise<void> {
  for await (const chunk of stream.incoming) {
    await stream.write(new TextEncoder().encode(Buffer.from(chunk).toString().toUpperCase()));
  }
  stream.end();
}

/** A real ssh-agent that holds one key. */
function startAgent(privateKey: string): { readonly process: ChildProcess; readonly socket: Promise<string> } {
  const child = spawn('ssh-agent', ['-D'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const socket = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.stdout.on('data', (chunk: Buffer) => {
      const path = /SSH_AUTH_SOCK=([^;]+);/.exec(chunk.toString())?.[1];
      if (path === undefined) return;
      execFileSync('ssh-add', ['-q', '-'], { input: privateKey, env: { ...process.env, SSH_AUTH_SOCK: path } });
      resolve(path);
    });
  });
  return { process: child, socket };
}
