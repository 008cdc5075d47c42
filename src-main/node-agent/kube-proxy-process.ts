import { networkInterfaces } from 'node:os';
import type { Node } from '#api/gen/types';
import { DisposableStore, type Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { SharedInformerFactory } from '#client/informer';
import { ApiEventRecorder } from '#client/recorder';
import { RestClient } from '#client/rest-client';
import { serveHttp, type HttpAnswer } from '#kube-proxy/health/http';
import { ProxyMetrics } from '#kube-proxy/health/metrics';
import { ProxyHealth } from '#kube-proxy/health/proxy-health';
import { ServiceHealth } from '#kube-proxy/health/service-health';
import { KubeProxy } from '#kube-proxy/kube-proxy';
import { NftablesBackend } from '#kube-proxy/nftables/backend';
import { runCommand } from '#kube-proxy/nftables/command';
import { applySysctls } from '#kube-proxy/node-sysctls';
import { driverLabel } from './agent-config.ts';
import { apiTransport, type AgentProcess, type AgentProcessOptions } from './process.ts';

const program = 'kube-proxy';
/** As upstream: `/healthz` for everybody, `/metrics` for the node itself. */
const healthPort = 10256;
const metricsPort = 10249;
const waitingNoteMs = 10_000;

/** kube-proxy of a real node. Its rules stay when it ends: traffic flows by them until it is back. */
export const runKubeProxy: AgentProcess = async (life, options) => {
  const { config, clock, logger } = options;
  const held = new DisposableStore();
  const health = new ProxyHealth(clock);
  const metrics = new ProxyMetrics(health);
  const serviceHealth = held.add(new ServiceHealth({ logger, proxyHealthy: () => health.healthy }));
  const node = new OwnNode();
  const backend = nftables(options, health, metrics, node);
  const client = new RestClient(apiTransport(config, config.kubeProxy, program));
  const recorder = new ApiEventRecorder({ ...options, client, component: program, host: config.nodeName, life });
  const proxy = new KubeProxy({
    ...{ nodeName: config.nodeName, clock, logger },
    informers: () => new SharedInformerFactory({ client, clock, random: options.random, logger }),
    backend: {
      replace: (rules) => {
        backend.replace(rules);
        serviceHealth.replace(rules);
      },
    },
    // No packet leaves the simulated network.
    reachable: ({ metadata }) => metadata.labels?.[driverLabel] !== 'embedded',
    onNode: (seen) => {
      health.sawNode(seen);
      if (!node.seen) recorder.event(seen, 'Normal', 'Starting', '');
      if (node.sees(seen)) backend.resync();
    },
  });
  try {
    held.add(await offer('0.0.0.0', healthPort, (path) => health.answer(path), logger));
    held.add(await offer('127.0.0.1', metricsPort, (path) => metrics.answer(path), logger));
    const waiting = held.add(noteWhileWaiting(options));
    await proxy.start(life);
    waiting.dispose();
    logger.info('services are forwarded', { node: config.nodeName });
    await new Promise<void>((resolve) => life.onEnd(resolve));
  } finally {
    await proxy.stop();
    held.dispose();
    await backend.stop();
  }
};

/** What the rules need to know of this node's own Node. */
class OwnNode {
  #podCidr: string | undefined;
  seen = false;

  get podCidr(): string | undefined {
    return this.#podCidr;
  }

  /** Whether something changed that rules are made from. */
  sees(node: Node): boolean {
    this.seen = true;
    const before = this.#podCidr;
    this.#podCidr = node.spec?.podCIDR;
    return this.#podCidr !== before;
  }
}

function nftables(
  { config, clock, random, logger }: AgentProcessOptions,
  health: ProxyHealth,
  metrics: ProxyMetrics,
  node: OwnNode,
): NftablesBackend {
  const sysctls = applySysctls(logger, config.driver === 'docker' ? 'ours' : 'lent');
  return new NftablesBackend({
    ...{ run: runCommand, clock, random, logger },
    network: () => ({
      ...{ clusterCidr: config.clusterCidr, serviceCidr: config.serviceCidr, nodeIPs: ownAddresses() },
      localhostNodePorts: sysctls.routeLocalnet,
      ...(sysctls.bridgeFilter || node.podCidr === undefined ? {} : { bridgedCidr: node.podCidr }),
    }),
    onQueued: () => {
      health.queued();
      metrics.queued(clock.now());
    },
    onSync: (report) => {
      if (report.succeeded) health.updated();
      metrics.synced(report, clock.now());
      const { kind, durationMs, bytes } = report;
      if (kind === 'full' && report.succeeded) logger.info('all rules are written', { durationMs, bytes });
    },
  });
}

function ownAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address);
}

/** Services work without it: a port that is taken is said, and no reason to end. */
async function offer(
  host: string,
  port: number,
  answer: (path: string) => HttpAnswer | undefined,
  logger: Logger,
): Promise<Disposable> {
  try {
    return await serveHttp(host, port, answer);
  } catch (error) {
    logger.warn('cannot answer health checks or metrics', { port, error: messageOf(error) });
    return { dispose: () => undefined };
  }
}

/** A kube-proxy that only waits must say for what. */
function noteWhileWaiting({ config, clock, logger }: AgentProcessOptions): Disposable {
  const server = `${config.apiAddress.ip}:${config.apiAddress.port}`;
  let timer: Disposable;
  const wait = (): void => {
    timer = clock.setTimer(waitingNoteMs, () => {
      logger.warn('still waiting for the API server: rules stay as the last kube-proxy left them', { server });
      wait();
    });
  };
  logger.info('waiting for the API server', { server });
  wait();
  return { dispose: () => timer.dispose() };
}
