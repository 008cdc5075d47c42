import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe } from 'vitest';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { GrpcRuntime } from '#cri/grpc/runtime';
import { buildBusyboxImage, buildPauseImage } from '#images/busybox-image';
import { staticBusybox } from '../../harness/busybox.ts';
import { containerdPrograms, TestContainerd } from '../../harness/containerd.ts';
import { skipWithout } from '../../harness/programs.ts';
import type { RuntimeUnderTest } from './bench.ts';
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
        if (await runtime.imageStatus(Context.background(), image)) return;
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

  criConformance({
    name: 'containerd',
    open,
    webServer: {
      image: 'docker.io/library/busybox:1.36',
      command: ['sh', '-c', 'echo Welcome >/tmp/index.html; exec httpd -f -p 80 -h /tmp'],
    },
    cannot: {
      'half-closed port-forward': 'containerd 1.6 ends a forwarded connection when either side has closed its half',
    },
  });
});
