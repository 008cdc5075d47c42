import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RealClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { GrpcRuntime } from '#cri/grpc/runtime';
import { buildBusyboxImage, buildPauseImage } from '#images/busybox-image';
import { layerOfFiles } from '#images/layer';
import { buildImage } from '#images/oci-archive';
import { ContainerLogManager } from '#kubelet/logs/container-log-manager';
import { HostLogFiles } from '#node-agent/host-log-files';
import { staticBusybox } from '../../harness/busybox.ts';
import { containerdPrograms, TestContainerd } from '../../harness/containerd.ts';
import { skipWithout } from '../../harness/programs.ts';
import { ImageRegistry } from '../../harness/image-registry.ts';
import { Bench, context, type RuntimeUnderTest, type Target } from './bench.ts';
import { criConformance } from './suite.ts';

describe.skipIf(skipWithout(staticBusybox, ...containerdPrograms))('a containerd of its own', () => {
  const containerd = new TestContainerd();
  const busybox = readFileSync(staticBusybox.path ?? '/dev/null');

  beforeAll(async () => {
    await containerd.start();
    await containerd.import(await buildPauseImage(busybox));
  });
  afterAll(() => containerd.stop());

  const connect = (): GrpcRuntime =>
    new GrpcRuntime({ endpoint: containerd.endpoint, clock: new RealClock(), logger: silentLogger });

  async function open(): Promise<RuntimeUnderTest> {
    const runtimes = [connect()];
    const [runtime] = runtimes;
    if (!runtime) throw new Error('there is one');
    return {
      runtime,
      patience: (promise) => promise,
      pass: (ms) => sleep(ms),
      provide: async (image) => {
        if (await runtime.imageStatus(context, image)) return;
        await containerd.import(await buildBusyboxImage(busybox));
      },
      folder: async (files) => {
        const folder = mkdtempSync(join(containerd.folder, 'volume-'));
        for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
        return folder;
      },
      reopen: async () => {
        const another = connect();
        runtimes.push(another);
        return another;
      },
      logDirectory: join(containerd.folder, 'logs/default_pod_uid-1'),
      cgroupParent: `${containerd.cgroup}/pod-uid-1`,
      close: async () => {
        for (const each of runtimes) each.close();
      },
    };
  }

  const target: Target = {
    name: 'containerd',
    open,
    webServer: {
      image: 'docker.io/library/busybox:1.36',
      command: ['sh', '-c', 'echo Welcome >/tmp/index.html; exec httpd -f -p 80 -h /tmp'],
    },
    cannot: {
      'half-closed port-forward': 'containerd 1.6 ends a forwarded connection when either side has closed its half',
    },
  };
  criConformance(target);

  it('goes on when containerd is killed and comes back: the containers, the client, its events and followed logs', async () => {
    const bench = new Bench(target);
    await bench.setUp();
    try {
      const seen: string[] = [];
      const { context: listening, cancel } = context.withCancel();
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
      await containerd.restart();
      await expect.poll(() => bench.runtime.version(context).catch(() => undefined), { timeout: 10_000 }).toBeDefined();
      expect(await bench.runtime.containerStatus(context, id)).toEqual(before);
      expect(await bench.output(id, 'echo', 'alive')).toBe('alive\n');
      await bench.runtime.stopContainer(context, id, 0);
      await expect.poll(() => seen, { timeout: 5000 }).toContain(`${id} CONTAINER_STOPPED_EVENT`);
      await following;
      expect(followed).toEqual(followed.map((_, index) => index + 1));
      cancel();
      await reading;
    } finally {
      await bench.tearDown();
    }
  });

  it('has its logs rotated by the kubelet: nothing is lost to a follower, and the disk is bounded', async () => {
    const bench = new Bench(target);
    await bench.setUp();
    const { context: life, cancel } = context.withCancel();
    try {
      // 4 MB in lines of 100 bytes, as fast as a shell gives them, with a breath after each half of a megabyte.
      const writing =
        'i=0; while [ $i -lt 40000 ]; do i=$((i+1)); printf "%099d\\n" $i; [ $((i%5000)) -gt 0 ] || sleep 0.5; done; sleep 1000';
      const id = await bench.start(['sh', '-c', writing]);
      const followed: number[] = [];
      const log = await bench.runtime.containerLog(life, id, { follow: true });
      const following = (async () => {
        for await (const record of log) followed.push(Number(Buffer.from(record.text).toString()));
      })();
      const { logPath = '' } = await bench.runtime.containerStatus(context, id);
      const manager = new ContainerLogManager({
        ...{ runtime: bench.runtime, files: new HostLogFiles(), clock: new RealClock(), logger: silentLogger },
        policy: { maxSizeBytes: 200_000, maxFiles: 3 },
      });
      const rotated = (): readonly string[] =>
        readdirSync(dirname(logPath)).filter((name) => name.startsWith(`${basename(logPath)}.`));
      // Names are by the second: so are the looks.
      for (let looks = 0; looks < 3 || followed.length < 40_000; looks++) {
        expect(looks).toBeLessThan(60);
        await sleep(1100);
        await manager.rotateLogs(life);
        expect(rotated().length).toBeLessThan(3);
      }
      expect(followed).toEqual(followed.map((_, index) => index + 1));
      const names = [...rotated()].sort();
      expect(names.map((name) => name.endsWith('.gz'))).toEqual([true, false]);
      const packed = gunzipSync(readFileSync(join(dirname(logPath), names[0] ?? ''))).toString();
      expect(packed).toMatch(/^(\S+ stdout F \d{99}\n)+$/);
      cancel();
      await following;
    } finally {
      cancel();
      await bench.tearDown();
    }
  });

  it('pulls from a registry with the credentials it is given, and says what is wrong with others', async () => {
    const registry = new ImageRegistry('me', 'secret');
    const port = await registry.listen(containerd.hostAddress);
    const host = `${containerd.hostAddress}:${port}`;
    const hosts = join(containerd.folder, 'registries', host);
    mkdirSync(hosts, { recursive: true });
    writeFileSync(
      join(hosts, 'hosts.toml'),
      `server = "http://${host}"\n[host."http://${host}"]\n  capabilities = ["pull", "resolve"]\n`,
    );
    const runtime = connect();
    try {
      const layer = layerOfFiles([{ path: 'only-here', type: 'file', content: host }]);
      const built = await buildImage({ names: [], layers: [layer], config: { cmd: ['/only-here'] } });
      registry.put('team/tool', 'v1', built);
      const name = `${host}/team/tool:v1`;
      await expect(runtime.pullImage(context, name)).rejects.toMatchObject({ name: 'CriError' });
      const wrong = { username: 'me', password: 'wrong' };
      await expect(runtime.pullImage(context, name, wrong)).rejects.toMatchObject({
        message: expect.stringMatching(/unauthorized|401|authorization failed/i),
      });
      const right = { username: 'me', password: 'secret' };
      expect(await runtime.pullImage(context, name, right)).toBe(built.id);
      expect(registry.requests).toContain(`200 team/tool/blobs/${built.layers[0]?.blob.digest}`);
      expect(await runtime.imageStatus(context, name)).toMatchObject({
        id: built.id,
        repoTags: expect.arrayContaining([name]),
        repoDigests: [`${host}/team/tool@${built.digest}`],
      });
      const auth = Buffer.from('me:secret').toString('base64');
      await expect(runtime.pullImage(context, `${host}/team/tool:v2`, { auth })).rejects.toMatchObject({
        code: 'NotFound',
      });
      await runtime.removeImage(context, name);
      expect(await runtime.pullImage(context, `${host}/team/tool@${built.digest}`, { auth })).toBe(built.id);
      await runtime.removeImage(context, built.id);
    } finally {
      runtime.close();
      await registry.close();
    }
  });
});
