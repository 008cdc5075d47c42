/** Child of `run.ts`: a Deployment of 500 replicas in Drydock, store on disk. Prints one JSON line. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pod } from '#api/gen/types';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { pods } from '#client/resources';
import { RestClient } from '#client/rest-client';
import { newLabConfig } from '#cluster/lab-config';
import { startLab } from '#cluster/start-lab';
import { measureStalls, replicas, report } from './deployment.ts';

const folder = mkdtempSync(join(tmpdir(), 'drydock-bench-'));
const clock = new RealClock();
const config = newLabConfig({ name: 'bench', driver: 'embedded', masters: 1, workers: 3, nowMs: clock.now() });
// Nodes take 110 pods each by default, as kubelets do: three of them need room for 500.
const roomy = { ...config, workers: config.workers.map((worker) => ({ ...worker, maxPods: 250 })) };
const context = Context.background();
const lab = await startLab(context, {
  config: roomy,
  folder,
  clock,
  logger: silentLogger,
  onSteps: () => {},
  onConfig: () => {},
});
const ready = new Set<string>();
const watch = await new RestClient(lab.admin).resource<Pod>(pods).watch(context, { namespace: 'default' });
const done = (async (): Promise<void> => {
  for await (const { type, object } of watch) {
    const { name = '' } = object.metadata;
    if (type === 'DELETED') ready.delete(name);
    else if (object.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True')) ready.add(name);
    if (ready.size >= replicas) return;
  }
})();
const stalls = measureStalls();
const startedMs = performance.now();
await lab.admin.request(context, {
  method: 'POST',
  path: '/apis/apps/v1/namespaces/default/deployments',
  body: {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx' }] } },
    },
  },
});
await done;
report({ readyMs: performance.now() - startedMs, longestStallMs: stalls() });
await lab.stop();
rmSync(folder, { recursive: true, force: true });
process.exit(0);
