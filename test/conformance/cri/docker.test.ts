import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RealClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { DockerRuntime } from '#cri/docker/runtime';
import { buildBusyboxImage, buildPauseImage } from '#images/busybox-image';
import { staticBusybox } from '../../harness/busybox.ts';
import { dockerdPrograms, TestDockerd } from '../../harness/dockerd.ts';
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
});
