import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Home } from '#cluster/home';
import { ControlClient } from '#host/control-client';
import { readHostAccess } from '#host/open-host';
import {
  cli,
  drydock,
  run,
  startDrydock,
  temporaryHome,
  TestLab,
  untilExit,
  untilGone,
  untilOutput,
  type Output,
} from '../harness/lab.ts';
import { onPath, skipWithout } from '../harness/programs.ts';

const scriptProgram = onPath('script', 'apt-get install bsdutils');

/** One line on stderr, nothing on stdout, an exit code that says so. */
function expectRefusal(output: Output, text: string | RegExp): void {
  const lines = output.stderr
    .trimEnd()
    .split('\n')
    .filter((line) => line.startsWith('drydock:'));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(text);
  expect(output.stdout).toBe('');
  expect(output.code).not.toBe(0);
}

describe('drydock, the command line', () => {
  describe('without a lab', () => {
    const homes: string[] = [];
    const freshHome = (): string => {
      const home = temporaryHome();
      homes.push(home);
      return home;
    };
    afterEach(() => {
      for (const home of homes.splice(0)) rmSync(home, { recursive: true, force: true });
    });

    it.each(['up', 'down', 'list', 'status', 'kubeconfig', 'node add', 'node kill', 'node start', 'node delete'])(
      '%s --help prints its flags',
      async (command) => {
        const output = await drydock([...command.split(' '), '--help']);
        expect(output.code).toBe(0);
        expect(output.stdout).toContain(`Usage: drydock ${command}`);
        expect(output.stdout).toContain('--home');
      },
    );

    it('refuses what it does not know', async () => {
      expectRefusal(await drydock(['up', '--frobnicate']), /Unknown option '--frobnicate'/);
      expectRefusal(await drydock(['fly']), /unknown command 'fly'/);
      expectRefusal(await drydock(['up', '--workers', 'many']), /--workers many: expected a whole number/);
      expectRefusal(await drydock(['up', '--driver', 'vmware']), /--driver vmware: expected embedded, docker or ssh/);
      expectRefusal(await drydock(['node', 'kill']), /node kill needs NAME/);
    });

    it('says that a lab is missing and makes nothing', async () => {
      const home = freshHome();
      expectRefusal(await drydock(['status', '--home', home]), /there is no lab lab/);
      expectRefusal(await drydock(['down', '--home', home]), /there is no lab lab/);
      expectRefusal(await drydock(['kubeconfig', '--home', home]), /has no kubeconfig/);
      expectRefusal(await drydock(['node', 'kill', 'worker-1', '--home', home]), /is not running/);
      expect((await drydock(['list', '--home', home, '--json'])).stdout.trim()).toBe('[]');
    });

    it('says how SSH machines join, and keeps no half-made lab', async () => {
      const home = freshHome();
      expectRefusal(
        await drydock(['up', '--driver', 'ssh', '--workers', '2', '--home', home]),
        /SSH machines are added one by one: use --workers 0, then 'drydock node add/,
      );
      expectRefusal(await drydock(['up', '--memory', 'much', '--home', home]), /--memory much: expected a quantity/);
      expect((await drydock(['list', '--home', home, '--json'])).stdout.trim()).toBe('[]');
    });

    it('does not start a lab as something else than it was made as', async () => {
      const home = freshHome();
      const none = ['--workers', '0', '--home', home, '--ui-port', 'none', '--detach'];
      expect((await drydock(['up', '--driver', 'ssh', ...none])).code).toBe(0);
      expect((await drydock(['down', '--home', home])).code).toBe(0);
      expectRefusal(await drydock(['up', '--driver', 'docker', ...none]), /lab lab was made with --driver ssh/);
      expect((await drydock(['up', ...none])).code).toBe(0);
      expect((await drydock(['down', '--delete', '--home', home])).code).toBe(0);
    });

    it('names a damaged home and leaves it as it is', async () => {
      const home = freshHome();
      mkdirSync(join(home, 'labs/lab'), { recursive: true });
      writeFileSync(join(home, 'labs/lab/lab.json'), '{ torn');
      expectRefusal(await drydock(['up', '--home', home, '--ui-port', 'none']), /labs\/lab\/lab\.json is damaged/);
      expect(readFileSync(join(home, 'labs/lab/lab.json'), 'utf8')).toBe('{ torn');
      expect((await drydock(['list', '--home', home])).stdout).toMatch(/lab\s+damaged/);
      expect((await drydock(['down', '--delete', '--home', home])).code).toBe(0);
    });
  });

  describe('with a home that something happened to', () => {
    let lab: TestLab;
    beforeAll(async () => {
      lab = await TestLab.up(['--workers', '0']);
      await lab.ok(['create', 'configmap', 'kept', '--from-literal=a=b']);
      process.kill(lab.facts.pid, 'SIGKILL');
      await untilGone(lab.facts.pid);
    });
    afterAll(async () => {
      await lab.destroy();
    });

    it('starts after kill -9, whose lock is stale, with everything in it', async () => {
      expect(existsSync(join(lab.home, 'host.lock'))).toBe(true);
      expect((await drydock(['list', '--home', lab.home])).stdout).toMatch(/lab\s+stopped/);
      expect((await drydock(['down', '--home', lab.home])).stderr).toBe('lab lab is not running\n');
      const { server } = lab.facts;
      await lab.upAgain();
      expect(lab.facts.server).toBe(server);
      expect(await lab.ok(['get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}'])).toBe('b');
      await lab.down();
    });

    /** Damages a file, sees `up` refuse and leave the damage, and puts the file back. */
    async function refusesDamaged(
      file: string,
      damage: (whole: Buffer) => Buffer | string,
      text: RegExp,
    ): Promise<void> {
      const path = join(lab.home, file);
      const whole = readFileSync(path);
      const damaged = Buffer.from(damage(whole));
      writeFileSync(path, damaged);
      expectRefusal(await drydock(['up', '--home', lab.home, '--ui-port', 'none']), text);
      expectRefusal(await drydock(['up', '--home', lab.home, '--ui-port', 'none', '--detach']), text);
      expect(readFileSync(path).equals(damaged)).toBe(true);
      writeFileSync(path, whole);
    }

    it('names a damaged key, certificate or store, and loses nothing', async () => {
      await refusesDamaged('labs/lab/pki/ca.crt', () => 'no certificate', /pki\/ca\.crt and \.key are damaged/);
      await refusesDamaged(
        'labs/lab/pki/apiserver.key',
        (whole) => whole.subarray(0, 60),
        /pki\/apiserver\.crt and \.key are damaged/,
      );
      await refusesDamaged('labs/lab/pki/sa.key', () => '', /pki\/sa\.key is no private key/);
      await refusesDamaged(
        'labs/lab/etcd/data.mdb',
        (whole) => whole.subarray(0, whole.byteLength / 2),
        /the store in .* cannot be opened: .*data\.mdb/,
      );
      await refusesDamaged(
        'labs/lab/etcd/data.mdb',
        () => Buffer.alloc(65_536, 7),
        /the store in .* cannot be opened: .*data\.mdb/,
      );
      await refusesDamaged('labs/lab/lab.json', (whole) => whole.subarray(0, 40), /lab\.json is damaged/);
    });
  });

  describe('in the foreground', () => {
    const home = temporaryHome();
    const args = ['up', '--home', home, '--workers', '1', '--ui-port', '0'];
    afterAll(() => {
      rmSync(home, { recursive: true, force: true });
    });

    it.each(['SIGINT', 'SIGTERM'] as const)('runs until %s, then ends in order', async (signal) => {
      const child = startDrydock(args);
      // Two pipes: what was written to one may be read before what was written to the other earlier.
      const [text] = await Promise.all([
        untilOutput(child, /^ui +http.*\n/m),
        untilOutput(child, /Ctrl-C stops the lab/),
      ]);
      expect(text).toMatch(
        /server +https:\/\/127\.0\.0\.1:\d+\nkubeconfig .*\nui +http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]+/,
      );
      const ended = untilExit(child);
      child.kill(signal);
      expect(await ended).toBe(0);
      expect(existsSync(join(home, 'host.lock'))).toBe(false);
    });

    it('can be interrupted while the lab starts', async () => {
      const child = startDrydock(args);
      await untilOutput(child, /Starting etcd/);
      const ended = untilExit(child);
      child.kill('SIGINT');
      expect(await ended).toBe(1);
      expect(existsSync(join(home, 'host.lock'))).toBe(false);
    });

    it('shows plain lines of progress where there is no terminal', async () => {
      const plain = await drydock([...args, '--detach', '--json']);
      expect(plain.stderr).toMatch(/^(\[\d\/5\] [^\r\n\u001b]+ \(\d+\.\d s\)\n)+$/);
      expect(JSON.parse(plain.stdout)).toMatchObject({ name: 'lab' });
      await drydock(['down', '--home', home]);
    });

    it('prints an address of the UI that works once, and with status another', async () => {
      const { stdout } = await drydock([...args, '--detach', '--json']);
      const open = async (url: string): Promise<number> => (await fetch(url, { redirect: 'manual' })).status;
      const { uiUrl } = JSON.parse(stdout) as { uiUrl: string };
      expect([await open(uiUrl), await open(uiUrl)]).toEqual([303, 401]);
      const status = await drydock(['status', '--home', home]);
      const [another = ''] = /http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]+/.exec(status.stdout) ?? [];
      expect(await open(another)).toBe(303);
      await drydock(['down', '--home', home]);
    });

    it.skipIf(skipWithout(scriptProgram))('shows a bar on a terminal', async () => {
      const line = `${process.execPath} ${cli} ${[...args, '--detach', '--ui-port', 'none'].join(' ')}`;
      const { stdout } = await run(scriptProgram.path ?? '', ['-qec', line, '/dev/null']);
      expect(stdout).toMatch(/\r\u001b\[2K█+░+ +\d\/5 /);
      expect(stdout).toMatch(/\r\u001b\[2Kserver +https/);
      await drydock(['down', '--home', home]);
    });
  });

  describe('with a port that is taken', () => {
    let server: Server;
    let port = '';
    const home = temporaryHome();
    beforeAll(async () => {
      server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      port = String((server.address() as AddressInfo).port);
    });
    afterAll(() => {
      server.close();
      rmSync(home, { recursive: true, force: true });
    });

    it('says which', async () => {
      expectRefusal(
        await drydock(['up', '--home', home, '--api-port', port, '--ui-port', 'none']),
        new RegExp(`port ${port}.*(taken|in use)`),
      );
      expectRefusal(await drydock(['up', '--home', home, '--ui-port', port]), new RegExp(`port ${port}.*taken`));
    });
  });

  describe('with two labs of one host', () => {
    const home = temporaryHome();
    afterAll(() => {
      rmSync(home, { recursive: true, force: true });
    });

    it('stops one without the other, and the host with the last', async () => {
      const first = await TestLab.up(['--workers', '0'], home);
      const access = readHostAccess(new Home(home));
      if (!access) throw new Error('no host holds the home');
      const client = await ControlClient.connect(access);
      await client.call('lab.create', { name: 'second', driver: 'embedded', masters: 1, workers: 0 });
      for await (const event of client.watch('labs', {})) {
        if ('object' in event && event.object.name === 'second' && event.object.phase === 'running') break;
      }
      client.close();
      expect((await drydock(['down', '--home', home])).code).toBe(0);
      const list = JSON.parse((await drydock(['list', '--home', home, '--json'])).stdout) as object[];
      expect(list).toMatchObject([
        { name: 'lab', phase: 'stopped' },
        { name: 'second', phase: 'running' },
      ]);
      expect((await drydock(['down', '--name', 'second', '--delete', '--home', home])).code).toBe(0);
      await untilGone(first.facts.pid);
      expect(new Home(home).holder()).toBeUndefined();
    });
  });

  describe('with a lab', () => {
    let lab: TestLab;
    beforeAll(async () => {
      lab = await TestLab.up(['--workers', '2']);
    });
    afterAll(async () => {
      await lab.destroy();
    });

    it('prints what scripts need', async () => {
      expect(lab.facts).toMatchObject({
        name: 'lab',
        uiUrl: null,
        server: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/),
      });
      expect(lab.facts.etcd.endpoint).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
      for (const file of [lab.facts.kubeconfig, lab.facts.etcd.ca, lab.facts.etcd.cert, lab.facts.etcd.key])
        expect(readFileSync(file, 'utf8')).not.toBe('');
      const kubeconfig = await drydock(['kubeconfig', '--home', lab.home]);
      expect(parse(kubeconfig.stdout)).toMatchObject({
        kind: 'Config',
        clusters: [{ cluster: { server: lab.facts.server } }],
      });
    });

    it('refuses a second host on the same home', async () => {
      expectRefusal(
        await drydock(['up', '--home', lab.home, '--ui-port', 'none']),
        new RegExp(`pid ${lab.facts.pid} is running on`),
      );
    });

    it('lists and tells the status', async () => {
      expect((await drydock(['list', '--home', lab.home])).stdout).toMatch(
        /^NAME\s+STATUS\s+DRIVER\s+MASTERS\s+WORKERS\s+SERVER\nlab\s+running\s+embedded\s+1\s+2\s+https/,
      );
      const status = JSON.parse((await drydock(['status', '--home', lab.home, '--json'])).stdout) as {
        nodes: object[];
        components: object[];
        healthy: boolean;
      };
      expect(status).toMatchObject({
        name: 'lab',
        phase: 'running',
        healthy: true,
        nodes: [{ name: 'worker-1', status: 'Ready', machine: 'running' }, { name: 'worker-2' }],
      });
      for (const name of [
        'kube-apiserver',
        'etcd',
        'kube-scheduler',
        'kube-controller-manager',
        'kubelet',
        'kube-proxy',
      ]) {
        expect(status.components).toContainEqual(expect.objectContaining({ name, state: 'running', healthy: true }));
      }
    });

    it('adds, kills, starts and deletes nodes', async () => {
      const node = (verb: string, name: string): Promise<Output> => drydock(['node', verb, name, '--home', lab.home]);
      const added = await node('add', 'extra');
      expect(added.code).toBe(0);
      expect(added.stderr).toMatch(/Joining extra.*\nnode extra added and Ready\n$/);
      expect(await lab.ok(['get', 'node', 'extra'])).toMatch(/extra\s+Ready/);
      expectRefusal(await node('add', 'extra'), /exists/);
      expect((await node('kill', 'extra')).code).toBe(0);
      const status = JSON.parse((await drydock(['status', '--home', lab.home, '--json'])).stdout) as {
        nodes: { name: string; machine: string }[];
      };
      expect(status.nodes.find((one) => one.name === 'extra')?.machine).toBe('killed');
      expect((await node('start', 'extra')).code).toBe(0);
      expect((await node('delete', 'extra')).code).toBe(0);
      expect((await lab.kubectl(['get', 'node', 'extra'])).stderr).toContain('nodes "extra" not found');
      expectRefusal(await node('kill', 'absent'), /no node absent/);
    });

    it('brings every object back after down and up', async () => {
      await lab.ok(['create', 'deployment', 'web', '--image=nginx', '--replicas=3']);
      await lab.ok(['create', 'configmap', 'kept', '--from-literal=a=b']);
      await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=60s']);
      const before = await lab.ok(['get', 'deployment,configmap', '-o', 'jsonpath={.items[*].metadata.uid}']);
      const { server } = lab.facts;
      await lab.down();
      expect(await drydock(['list', '--home', lab.home])).toMatchObject({
        stdout: expect.stringMatching(/lab\s+stopped/),
      });
      await lab.upAgain();
      expect(lab.facts.server).toBe(server);
      expect(await lab.ok(['get', 'deployment,configmap', '-o', 'jsonpath={.items[*].metadata.uid}'])).toBe(before);
      await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    });

    it('writes into a kubeconfig and takes its entry out again', async () => {
      const home = temporaryHome();
      const file = join(home, 'config');
      writeFileSync(
        file,
        'apiVersion: v1\nkind: Config\nclusters:\n- name: mine\n  cluster: {server: https://mine}\ncontexts: []\nusers: []\n',
      );
      const second = await TestLab.up(['--workers', '0', '--kubeconfig', file], home);
      expect(parse(readFileSync(file, 'utf8'))).toMatchObject({
        'current-context': 'drydock-lab',
        clusters: [{ name: 'mine' }, { name: 'drydock-lab' }],
      });
      expect((await drydock(['down', '--delete', '--home', second.home])).code).toBe(0);
      expect((parse(readFileSync(file, 'utf8')) as { clusters: unknown[] }).clusters).toHaveLength(1);
      rmSync(home, { recursive: true, force: true });
    });
  });
});
