import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RealClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { DockerRuntime } from '#cri/docker/runtime';
import { buildBusyboxImage, buildPauseImage } from '#images/busybox-image';
import { layerOfFiles } from '#images/layer';
import { buildImage } from '#images/oci-archive';
import { staticBusybox } from '../../harness/busybox.ts';
import { dockerProgram } from '../../harness/docker.ts';
import { dockerdPrograms, TestDockerd } from '../../harness/dockerd.ts';
import { ImageRegistry } from '../../harness/image-registry.ts';
import { skipWithout } from '../../harness/programs.ts';
import { Bench, context, type RuntimeUnderTest, type Target } from './bench.ts';
import { criConformance } from './suite.ts';

describe.skipIf(skipWithout(staticBusybox, ...dockerdPrograms))('a Docker Engine of its own', () => {
  const dockerd = new TestDockerd();
  const busybox = readFileSync(staticBusybox.path ?? '/dev/null');

  beforeAll(() => dockerd.start());
  afterAll(() => dockerd.stop());

  const connect = (): DockerRuntime =>
    new DockerRuntime({
      endpoint: dockerd.endpoint,
      clock: new RealClock(),
      logger: silentLogger,
      scope: 'test',
      network: dockerd.network,
      pauseImage: () => buildPauseImage(busybox),
      labels: { 'dev.drydock.cri-test': String(process.pid) },
    });

  async function open(): Promise<RuntimeUnderTest> {
    const runtime = connect();
    return {
      runtime,
      patience: (promise) => promise,
      pass: (ms) => sleep(ms),
      provide: async (image) => {
        if (await runtime.imageStatus(context, image)) return;
        await runtime.loadImages(context, [await buildBusyboxImage(busybox)]);
      },
      folder: async (files) => {
        const folder = mkdtempSync(join(dockerd.folder, 'volume-'));
        for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
        return folder;
      },
      reopen: async () => connect(),
      cgroupParent: `${dockerd.cgroup}/pod-uid-1`,
      close: async () => undefined,
    };
  }

  const target: Target = {
    name: 'docker',
    open,
    webServer: {
      image: 'docker.io/library/busybox:1.36',
      command: ['sh', '-c', 'echo Welcome >/tmp/index.html; exec httpd -f -p 80 -h /tmp'],
    },
    cannot: {},
  };
  criConformance(target);

  it('goes on when dockerd is killed and comes back: the containers, the client, its events and followed logs', async () => {
    const bench = new Bench(target);
    await bench.setUp();
    const { context: listening, cancel } = context.withCancel();
    try {
      const seen: string[] = [];
      const events = bench.runtime.getContainerEvents(listening);
      const reading = (async () => {
        for await (const event of events) seen.push(`${event.containerId} ${event.type}`);
      })();
      const id = await bench.start(['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.2; done']);
      const before = await bench.runtime.containerStatus(context, id);
      const followed: number[] = [];
      const log = await bench.runtime.containerLog(listening, id, { follow: true });
      const following = (async () => {
        for await (const record of log) followed.push(Number(Buffer.from(record.text).toString()));
      })();
      await dockerd.restart();
      expect(await bench.runtime.containerStatus(context, id)).toEqual(before);
      expect(await bench.output(id, 'echo', 'alive')).toBe('alive\n');
      const count = followed.length;
      await expect.poll(() => followed.length, { timeout: 10_000 }).toBeGreaterThan(count + 3);
      await bench.runtime.stopContainer(context, id, 0);
      await expect.poll(() => seen, { timeout: 10_000 }).toContain(`${id} CONTAINER_STOPPED_EVENT`);
      await following;
      expect(followed).toEqual(followed.map((_, index) => index + 1));
      cancel();
      await reading;
    } finally {
      cancel();
      await bench.tearDown();
    }
  });

  it('starts what is to be killed last, also where the engine may not protect it', async () => {
    const bench = new Bench(target);
    await bench.setUp();
    try {
      const id = await bench.start(['sleep', '1000'], { resources: { oomScoreAdj: -997 } });
      expect(['-997\n', '0\n']).toContain(await bench.output(id, 'cat', '/proc/1/oom_score_adj'));
      expect(dockerd.docker('ps', '--all', '--quiet').stdout.trim().split('\n')).toHaveLength(2);
    } finally {
      await bench.tearDown();
    }
  });

  it('keeps the log of a terminal', async () => {
    const bench = new Bench(target);
    await bench.setUp();
    try {
      const id = await bench.start(['sh', '-c', 'echo one; printf %017000d 7; echo'], { tty: true });
      await bench.untilExited(id);
      const lines = await bench.log(id);
      expect(lines.map((line) => line.length)).toEqual(['stdout one\r'.length, 7 + 16_384, 7 + 616 + 1]);
      expect(await bench.log(id, { tailLines: 1 })).toEqual(lines.slice(1));
    } finally {
      await bench.tearDown();
    }
  });
});

describe.skipIf(skipWithout(dockerProgram()))('the machine’s Docker Engine', () => {
  it('pulls from a registry with the credentials it is given, and says what is wrong with others', async () => {
    const registry = new ImageRegistry('me', 'secret');
    // Engines speak plain HTTP to registries on the loopback.
    const host = `127.0.0.1:${await registry.listen('127.0.0.1')}`;
    const runtime = new DockerRuntime({
      endpoint: process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock',
      clock: new RealClock(),
      logger: silentLogger,
      scope: `test-${process.pid}`,
      network: 'bridge',
      pauseImage: () => Promise.reject(new Error('no pod is run here')),
    });
    const name = `${host}/team/tool:v1`;
    let pulled: string | undefined;
    try {
      const layer = layerOfFiles([{ path: 'only-here', type: 'file', content: host }]);
      const config = { cmd: ['/only-here'], user: 'someone', labels: { 'dev.drydock.cri-test': String(process.pid) } };
      const built = await buildImage({ names: [], layers: [layer], config });
      registry.put('team/tool', 'v1', built);
      await expect(runtime.pullImage(context, name)).rejects.toMatchObject({ name: 'CriError' });
      const wrong = { username: 'me', password: 'wrong' };
      await expect(runtime.pullImage(context, name, wrong)).rejects.toMatchObject({ name: 'CriError' });
      const right = { username: 'me', password: 'secret' };
      const id = await runtime.pullImage(context, name, right);
      pulled = id;
      expect(await runtime.imageStatus(context, name)).toMatchObject({
        ...{ id, repoTags: [name], repoDigests: [`${host}/team/tool@${built.digest}`], username: 'someone' },
      });
      const auth = Buffer.from('me:secret').toString('base64');
      // The engine does not say in its codes what was wrong: a tag that is not there may be NotFound or Unknown.
      await expect(runtime.pullImage(context, `${host}/team/tool:v2`, { auth })).rejects.toMatchObject({
        name: 'CriError',
        message: expect.stringContaining('manifest'),
      });
      await runtime.removeImage(context, name);
      expect(await runtime.pullImage(context, `${host}/team/tool@${built.digest}`, { auth })).toBe(id);
    } finally {
      if (pulled !== undefined) await runtime.removeImage(context, pulled);
      await registry.close();
    }
  });
});
