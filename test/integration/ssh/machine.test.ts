import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Context } from '#base/context';
import type { ByteStream } from '#base/streams';
import { makeOfflineArchive } from '#machines/ssh/install/offline-archive';
import { packageNames } from '#machines/ssh/install/packages';
import { requirements } from '#machines/ssh/facts';
import { SshMachine, type SshMachineOptions } from '#machines/ssh/machine';
import type { SshTarget } from '#machines/ssh/target';
import { runtimeLayout, type MachineFile } from '#machines/machine';
import { agentBundle, agentFiles } from '../../harness/docker.ts';
import { onPath, skipWithout } from '../../harness/programs.ts';
import { dockerProgram, mmdebstrapProgram, sshMachineImage } from '../../harness/ssh-machine-image.ts';
import { differences, snapshot } from '../../harness/ssh-machine-snapshot.ts';
import {
  docker,
  linkParts,
  SshTestLab,
  trustOnFirstUse,
  type KnownHosts,
  type SshTestMachine,
} from '../../harness/ssh-machine.ts';

const context = Context.background();
const aptProgram = onPath('apt-get', 'a Debian computer');
const skip = skipWithout(dockerProgram, mmdebstrapProgram);
if (!skip) for (const kind of ['bare', 'full'] as const) sshMachineImage(kind);

/** Answers each line with itself in capitals, as an API server that shouts. */
async function shout(stream: ByteStream): Promise<void> {
  for await (const chunk of stream.incoming)
    await stream.write(Buffer.from(Buffer.from(chunk).toString().toUpperCase()));
  stream.end();
}

function sshMachine(target: SshTarget, known: KnownHosts, more: Partial<SshMachineOptions> = {}): SshMachine {
  return new SshMachine({
    ...linkParts(known),
    name: 'worker-1',
    target,
    agentBundle: agentBundle(),
    onApiConnection: (stream) => void shout(stream).catch(() => stream.destroy()),
    ...more,
  });
}

function filesFor(machine: SshMachine): readonly MachineFile[] {
  return agentFiles({
    nodeName: 'worker-1',
    driver: 'ssh',
    criEndpoint: `unix://${runtimeLayout('ssh').socket}`,
    apiUpstreams: [machine.apiUpstream],
  });
}

const run = promisify(execFile);

/** What the machine's loopback answers to `hello`; not in step, since it is this process that answers. */
async function says(host: SshTestMachine): Promise<string> {
  const script = 'exec 3<>/dev/tcp/127.0.0.1/16443 && echo hello >&3 && timeout 5 head -n1 <&3';
  const { stdout } = await run('docker', ['exec', host.container, 'bash', '-c', script]);
  return stdout.trim();
}

describe.skipIf(skip)('a machine by SSH', { timeout: 180_000 }, () => {
  let lab: SshTestLab;
  let host: SshTestMachine;
  let target: SshTarget;
  let known: KnownHosts;
  let machine: SshMachine;
  const states: string[] = [];
  const poll = { timeout: 60_000, interval: 50 };
  const supervisor = (): string => host.run("pgrep -o -f 'node-agent.cjs supervise$'");
  const endSessions = (): string =>
    host.run("for pid in $(pgrep -f '[s]shd: root@notty'); do kill -9 $pid; done 2>/dev/null; true");

  beforeAll(async () => {
    lab = new SshTestLab(103);
    host = await lab.start('full');
    target = host.target('root', lab.key());
    known = await trustOnFirstUse(target);
    machine = sshMachine(target, known, { keepAliveMs: 1000 });
    machine.onChange(() => states.push(machine.state));
    await machine.prepare(context, () => undefined);
    await machine.start(context, filesFor(machine), () => undefined);
  }, 180_000);
  afterAll(() => {
    machine.close();
    lab.dispose();
  });

  test('knows its address, its network and its size; the API server answers on its loopback', async () => {
    expect(machine.address).toBe(host.address);
    expect(machine.networkId).toBe(`ssh:${host.address.replace(/\d+$/, '0/24')}`);
    expect(machine.resources.cpus).toBeGreaterThan(0);
    expect(machine.resources.memoryBytes).toBeGreaterThan(1e8);
    expect(await says(host)).toBe('HELLO');
  });

  test('comes back by itself after the connection was cut, without touching the agent', async () => {
    const before = supervisor();
    states.length = 0;
    endSessions();
    await expect.poll(() => states.join(), poll).toBe('unreachable,running');
    expect(await says(host)).toBe('HELLO');
    expect(supervisor()).toBe(before);
  });

  test('comes back when its last connection hangs for ever, and takes its port again', async () => {
    // Frozen sshd processes answer nothing and keep the port, as after a network change.
    states.length = 0;
    host.run("pkill -STOP -f '[s]shd: root@notty'");
    await expect(machine.exec(context, ['true'], { stdin: false })).rejects.toMatchObject({ code: 'UNREACHABLE' });
    await expect.poll(() => states.join(), poll).toBe('unreachable,running');
    expect(await says(host)).toBe('HELLO');
  });

  test('after a reboot the agent runs again', async () => {
    states.length = 0;
    docker('restart', '-t', '0', host.container);
    await expect.poll(() => states.join(), poll).toMatch(/^unreachable,(starting,)?running$/);
    expect(await says(host)).toBe('HELLO');
    expect(supervisor()).toMatch(/^\d+$/);
  });

  test('a supervisor that dies is started again, and what it left behind is ended', async () => {
    const [before, containerd] = [supervisor(), host.run('pgrep -x containerd')];
    host.run(`kill -9 ${before}`);
    await expect.poll(() => host.run("pgrep -o -f 'node-agent.cjs supervise$' || true"), poll).toMatch(/^\d+$/);
    await expect
      .poll(() => host.run('test -e /run/drydock/ready && pgrep -x containerd || true'), poll)
      .toMatch(/^\d+$/);
    expect(supervisor()).not.toBe(before);
    expect(host.run('pgrep -x containerd')).not.toContain(containerd);
  });

  test('an agent that runs is adopted by the next Drydock, also after SIGKILL of the first', async () => {
    const before = supervisor();
    const settings = join(lab.folder, 'client.json');
    writeFileSync(settings, JSON.stringify({ target, keys: known.trusted(target.host, 22) }), { mode: 0o600 });
    const script = join(import.meta.dirname, '../../conformance/machines/ssh-client.ts');
    const client = spawn(process.execPath, [script, settings, 'sh', '-c', 'cat; touch /run/client-died'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => client.stdout.once('data', resolve));
    client.kill('SIGKILL');
    await expect.poll(() => host.run('ls /run'), poll).toContain('client-died');
    const next = sshMachine(target, known);
    try {
      await next.prepare(context, () => undefined);
      await next.start(context, filesFor(next), () => undefined);
      expect(supervisor()).toBe(before);
      expect(next.state).toBe('running');
    } finally {
      next.close();
    }
  });

  test('secrets are on no command line and in no file that others read', async () => {
    const guarded = sshMachine(host.target('deputy', lab.key(), { sudoPassword: host.password }), known);
    try {
      const session = await guarded.exec(context, ['sh', '-c', 'cat >/dev/null'], { stdin: true });
      expect(host.run("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'")).not.toContain(
        host.password,
      );
      session.close();
    } finally {
      guarded.close();
    }
    expect(host.run('stat -c %a /etc/drydock/agent.json /var/lib/drydock/installed.json')).toBe('600\n600');
  });
});

describe.skipIf(skip)('prepares a machine that has nothing', { timeout: 600_000 }, () => {
  let lab: SshTestLab;
  let host: SshTestMachine;
  const story = async (options: Partial<SshMachineOptions>): Promise<readonly string[]> => {
    const target = host.target('admin', lab.key());
    const known = await trustOnFirstUse(target);
    const before = snapshot(host);
    const machine = sshMachine(target, known, options);
    const said: string[] = [];
    try {
      await machine.prepare(context, ({ text }) => said.push(text));
      expect(machine.facts?.missing).toEqual([]);
      await machine.start(context, filesFor(machine), ({ text }) => said.push(text));
      expect(machine.state).toBe('running');
      expect(host.run('ctr -a /run/drydock/containerd/containerd.sock -n k8s.io images ls -q')).toContain('pause');
      await machine.remove(context);
      expect(machine.state).toBe('absent');
    } finally {
      machine.close();
    }
    expect(differences(before, snapshot(host))).toEqual([]);
    return said;
  };
  afterAll(() => lab.dispose());

  test('from its mirrors, and leaves it as it was', async () => {
    lab = new SshTestLab(104);
    host = await lab.start('bare');
    const said = await story({});
    expect(said.join('\n')).toMatch(/Setting up containerd/);
  });

  test.skipIf(skipWithout(aptProgram))(
    'offline, with packages this computer fetched; and from an archive',
    async () => {
      lab.dispose();
      lab = new SshTestLab(105, { offline: true });
      host = await lab.start('bare');
      const said = await story({});
      expect(said.join('\n')).toMatch(/reaches no mirror/);
      const status = host.run('cat /var/lib/dpkg/status');
      const facts = { packageManager: 'apt', osCodename: 'bookworm', architecture: 'x86_64' } as const;
      const archive = join(lab.folder, 'packages.tar');
      writeFileSync(archive, await makeOfflineArchive(context, facts, status, packageNames('apt', requirements)));
      expect((await story({ archive })).join('\n')).toMatch(/Uploading \d+ MiB/);
    },
  );
});
