import { fileURLToPath } from 'node:url';
import { RealClock } from '#base/clock';
import { formatLogEntry, SinkLogger } from '#base/logger';
import { UiServer } from '#host/websocket-server';
import { FakeHost, stepsUntil } from './fake-host.ts';
import { killWorker, putFakeLab } from './fake-lab.ts';
import { fakeDockerRefused } from './fake-machines.ts';
import { breakThings, buildingLab, makeMixed } from './fake-mixed.ts';

/**
 * Serves the built UI with a scripted host, for work on the UI without a cluster:
 * `node test/harness/serve-fake-host.ts SCENE` (Node 24). `mixed` has Docker, SSH and simulated nodes, `broken` faults too,
 * `refused` a Docker that cannot be used.
 */
const scenes: Readonly<Record<string, (host: FakeHost, nowMs: number) => void>> = {
  empty: () => undefined,
  refused: (host) => (host.docker = fakeDockerRefused),
  building: (host) => host.setLab(buildingLab(0.62)),
  creating: (host) => host.setLab(startingLab('creating')),
  failed: (host) =>
    host.setLab({
      ...startingLab('failed'),
      error: 'port 6443 on 127.0.0.1 is taken: choose another with --api-port',
    }),
  lab: (host, nowMs) => putFakeLab(host, nowMs),
  many: (host, nowMs) => putFakeLab(host, nowMs, 520),
  killed: (host, nowMs) => {
    putFakeLab(host, nowMs);
    killWorker(host, nowMs);
  },
  mixed: (host, nowMs) => {
    putFakeLab(host, nowMs);
    makeMixed(host, nowMs);
  },
  broken: (host, nowMs) => {
    putFakeLab(host, nowMs);
    makeMixed(host, nowMs);
    breakThings(host, nowMs);
  },
};

function startingLab(phase: 'creating' | 'failed') {
  return { name: 'harbor-1', driver: 'embedded', masters: 1, workers: 3, steps: stepsUntil(3), phase } as const;
}

const scene = process.argv[2] ?? 'killed';
const set = scenes[scene];
if (!set) throw new Error(`there is no scene ${scene}; there are ${Object.keys(scenes).join(', ')}`);
const clock = new RealClock();
const logger = new SinkLogger(clock, (entry) => console.error(formatLogEntry(entry)));
const host = new FakeHost(clock);
set(host, clock.now());
host.onCall = (name) => {
  if (name === 'node.kill') killWorker(host, clock.now());
  if (name === 'lab.create') setTimeout(() => putFakeLab(host, clock.now()), 1500);
};
const rendererFolder = fileURLToPath(new URL('../../out/renderer', import.meta.url));
const server = new UiServer({ handlers: host.handlers, clock, logger, rendererFolder, port: 0 });
await server.start();
console.log(server.url);
