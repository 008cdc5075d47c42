import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Context } from '#base/context';
import { debianImageArchive, debianImages } from '#images/debian-images';
import type { DockerMachine } from '#machines/docker/machine';
import { archiveFile, loadImage } from '#machines/load-image';
import { agentFiles, dockerProgram, testDockerDriver } from '../../harness/docker.ts';
import { onPath, root, skipWithout } from '../../harness/programs.ts';
import { run } from './run.ts';

const context = Context.background();
const mmdebstrap = onPath('mmdebstrap', 'apt-get install mmdebstrap');
const cache = join(root, 'node_modules/.cache/drydock/images');

describe.skipIf(skipWithout(dockerProgram(), mmdebstrap))('images on Docker nodes', { timeout: 180_000 }, () => {
  const subject = testDockerDriver();
  const folder = mkdtempSync(join(tmpdir(), 'drydock-images-'));
  let machines: readonly DockerMachine[];
  beforeAll(async () => {
    const lab = subject.driver.lab('images');
    machines = [2, 3].map((number) => lab.machine(`worker-${number}`, { cpus: 1, memoryBytes: 2 ** 30 }, number));
    await Promise.all(
      machines.map(async (machine) => {
        await machine.prepare(context, () => undefined);
        await machine.start(context, agentFiles({ nodeName: machine.name, driver: 'docker' }), () => undefined);
      }),
    );
  }, 180_000);
  afterAll(async () => {
    await subject.dispose();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  test('nginx of Debian serves its page on every node', async () => {
    const path = await debianImageArchive(context, debianImages.nginx, cache, () => undefined);
    const fractions: number[] = [];
    const results = await loadImage(context, machines, await archiveFile(path), (_machine, { fraction }) => {
      if (fraction !== undefined) fractions.push(fraction);
    });
    expect(results).toEqual(machines.map(({ name }) => ({ machine: name })));
    expect(fractions.at(-1)).toBe(1);
    for (const machine of machines) {
      const serve = 'ctr -n k8s.io run -d --net-host docker.io/library/nginx:latest web';
      const fetch =
        'for i in 1 2 3 4 5 6 7 8 9 10; do busybox wget -qO- http://127.0.0.1/ && exit 0; sleep 0.2; done; exit 1';
      const { stdout, stderr, exitCode } = await run(machine, ['sh', '-c', `${serve} && ${fetch}`]);
      expect({ stdout, stderr, exitCode }).toMatchObject({ exitCode: 0 });
      expect(stdout).toContain('Welcome to nginx!');
    }
  });

  test('python of Debian runs', async () => {
    const path = await debianImageArchive(context, debianImages.python, cache, () => undefined);
    const packed = join(folder, 'python.tar.gz');
    writeFileSync(packed, gzipSync(readFileSync(path), { level: 1 }));
    const [machine] = machines;
    if (!machine) throw new Error('no machine');
    await loadImage(context, [machine], await archiveFile(packed), () => undefined);
    const script = 'import http.server, ssl, json; print(json.dumps([1, 2]))';
    const command = ['ctr', '-n', 'k8s.io', 'run', '--rm', 'docker.io/library/python:3', 'py', 'python3', '-c', script];
    expect(await run(machine, command)).toEqual({ stdout: '[1, 2]\n', stderr: '', exitCode: 0 });
  });

  test('an image of the host’s Docker comes under its own name', async () => {
    const name = `drydock-test/loaded-${process.pid}:v1`;
    execFileSync('docker', ['import', '-', name], {
      input: execFileSync('tar', ['-C', folder, '-c', '--files-from', '/dev/null']),
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    try {
      const archive = await subject.driver.image(context, name);
      expect(archive.names).toEqual([`docker.io/${name}`]);
      expect(await loadImage(context, machines, archive, () => undefined)).toEqual(
        machines.map((machine) => ({ machine: machine.name })),
      );
      for (const machine of machines) {
        const { stdout } = await run(machine, ['ctr', '-n', 'k8s.io', 'images', 'ls', '-q', `name==docker.io/${name}`]);
        expect(stdout.trim()).toBe(`docker.io/${name}`);
      }
    } finally {
      execFileSync('docker', ['rmi', name], { stdio: 'ignore' });
    }
    await expect(subject.driver.image(context, 'no-such/image')).rejects.toMatchObject({ code: 'MISSING' });
  });

  test('a node that is down does not hold up the others', async () => {
    const [down, up] = machines;
    if (!down || !up) throw new Error('no machines');
    await down.stop(context);
    const path = await debianImageArchive(context, debianImages.python, cache, () => undefined);
    const results = await loadImage(context, machines, await archiveFile(path), () => undefined);
    expect(results[0]?.error?.message).toContain(down.name);
    expect(results[1]).toEqual({ machine: up.name });
  });

  test('a file that is no archive is refused before any node is asked', async () => {
    const path = join(folder, 'text');
    writeFileSync(path, 'hello');
    await expect(archiveFile(path)).rejects.toMatchObject({ code: 'INVALID' });
    await expect(archiveFile(join(folder, 'absent'))).rejects.toMatchObject({ code: 'INVALID' });
  });
});
