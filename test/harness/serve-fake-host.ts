import { fileURLToPath } from 'node:url';
import { RealClock } from '#base/clock';
import { formatLogEntry, SinkLogger } from '#base/logger';
import { UiServer } from '#host/websocket-server';
import { FakeHost, stepsUntil } from './fake-host.ts';
import { killWorker, putFakeLab } from './fake-lab.ts';

/**
 * Serves the built UI with a scripted host, for work on the UI without a cluster:
 * `node test/harness/serve-fake-host.ts [empty|creating|failed|lab|killed|many]` (Node 24).
 */
const scene = process.argv[2] ?? 'killed';
const clock = new RealClock();
const logger = new SinkLogger(clock, (entry) => console.error(formatLogEntry(entry)));
const host = new FakeHost(clock);
if (scene === 'creating' || scene === 'failed')
  host.setLab({
    ...{ name: 'harbor-1', driver: 'embedded', masters: 1, workers: 3, steps: stepsUntil(3) },
    phase: scene,
    ...(scene === 'failed' ? { error: 'port 6443 on 127.0.0.1 is taken: choose another with --api-port' } : {}),
  });
if (['lab', 'killed', 'many'].includes(scene)) putFakeLab(host, clock.now(), scene === 'many' ? 520 : 0);
if (scene === 'killed') killWorker(host, clock.now());
host.onCall = (name) => {
  if (name === 'node.kill') killWorker(host, clock.now());
  if (name === 'lab.create') setTimeout(() => putFakeLab(host, clock.now()), 1500);
};
const rendererFolder = fileURLToPath(new URL('../../out/renderer', import.meta.url));
const server = new UiServer({ handlers: host.handlers, clock, logger, rendererFolder, port: 0 });
await server.start();
console.log(server.url);
