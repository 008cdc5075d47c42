/** Child of `run.ts`: a Deployment of 500 replicas in webernetes. Prints one JSON line. */
import { BaseImage, Cluster, type ProcessContext } from '@ngrok/webernetes';
import { measureStalls, replicas, report } from './deployment.ts';

class ServerImage extends BaseImage {
  static readonly imageName = 'server';
  static readonly imageVersion = '1.0';
  readonly defaultCommand = ['server'];

  override async exec(context: ProcessContext): Promise<number> {
    context.listenHttp(8080, async () => ({ status: 200, body: 'hello\n' }));
    return context.waitUntilKilled();
  }
}

const cluster = new Cluster();
cluster.registerImage(ServerImage);
await cluster.init();
const ready = new Set<string>();
const done = new Promise<void>((resolve) => {
  cluster.informer('pods', (_type, pod) => {
    const isReady = pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True');
    if (isReady && pod.metadata?.name) ready.add(pod.metadata.name);
    if (ready.size >= replicas) resolve();
  });
});
const stalls = measureStalls();
const startedMs = performance.now();
await cluster.apply([
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'server:1.0' }] } },
    },
  },
]);
await done;
report({ readyMs: performance.now() - startedMs, longestStallMs: stalls() });
process.exit(0);
