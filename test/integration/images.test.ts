import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildBusyboxImage, buildPauseImage } from '#images/busybox-image';
import { imageArchive } from '#images/oci-archive';
import { readArchiveNames } from '#images/archive-names';
import { staticBusybox } from '../harness/busybox.ts';
import { onPath, skipWithout } from '../harness/programs.ts';

const docker = onPath('docker', 'apt-get install docker.io, and start dockerd');
const names = { busybox: 'drydock-test.invalid/images/busybox:1', pause: 'registry.k8s.io/pause:3.10' };

function run(...args: readonly string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8' }).trim();
}

describe.skipIf(skipWithout(docker, staticBusybox))('an archive in a real Docker Engine', () => {
  const made: string[] = [];
  const pauseTag = 'drydock-test.invalid/images/pause:1';

  beforeAll(async () => {
    const bytes = readFileSync(staticBusybox.path ?? '');
    const pause = await buildPauseImage(bytes);
    const images = [await buildBusyboxImage(bytes, [names.busybox]), { ...pause, names: [pauseTag] }];
    const load = spawn('docker', ['load', '--quiet'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = new Promise<number | null>((resolve) => load.once('exit', resolve));
    await pipeline(imageArchive(images), load.stdin);
    expect(await ended).toBe(0);
  });

  afterAll(() => {
    for (const id of made) run('rm', '-f', id);
    run('rmi', '-f', names.busybox, pauseTag);
  });

  test('every applet is there, and runs', () => {
    const text = run(
      'run',
      '--rm',
      '--network',
      'none',
      names.busybox,
      'sh',
      '-c',
      'id -u; ls /bin | wc -l; env | grep -c PATH',
    );
    const [uid, applets, path] = text.split('\n').map(Number);
    expect([uid, path]).toEqual([0, 1]);
    expect(applets).toBeGreaterThan(200);
  });

  test('pause ends at once on SIGTERM and reaps what others leave', () => {
    const id = run('run', '--detach', '--network', 'none', '--read-only', pauseTag);
    made.push(id);
    expect(run('exec', id, 'sh', '-c', 'id -u')).toBe('65535');
    // The inner shell leaves an orphan, which process 1 must reap once it has slept.
    run('exec', id, 'sh', '-c', '(sleep 0.1 &) ; true');
    const states = run('exec', id, 'sh', '-c', 'sleep 0.5; cat /proc/[0-9]*/stat');
    expect(states).toContain('(sh)');
    expect(states).not.toMatch(/\) Z /);
    expect(run('stop', '-t', '30', id)).toBe(id);
    expect(run('inspect', '--format', '{{.State.ExitCode}}', id)).toBe('0');
  });

  test('the names of what docker saves are read', async () => {
    const save = spawn('docker', ['save', names.busybox], { stdio: ['ignore', 'pipe', 'inherit'] });
    expect(await readArchiveNames(save.stdout)).toEqual([names.busybox]);
  });
});
