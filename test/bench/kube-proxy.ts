import { execFileSync } from 'node:child_process';
import type { EndpointSlice, Service } from '#api/gen/types';
import { RealClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { NftablesBackend, type SyncReport } from '#kube-proxy/nftables/backend';
import { runCommand, type RunCommand } from '#kube-proxy/nftables/command';
import { RuleCache } from '#kube-proxy/rule-cache';
import { namespacePrograms } from '../integration/kube-proxy/namespaces.ts';
import type { Row } from './report.ts';

const serviceCount = 5_000;
const endpointCount = 3;
const fullRuns = 10;
const changeRuns = 200;

const nodeName = 'worker-0';
const noService: ReadonlyMap<string, EndpointSlice> = new Map();

function service(i: number): Service {
  const clusterIP = `10.96.${Math.floor(i / 250)}.${(i % 250) + 1}`;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `service-${i}`, namespace: 'bench' },
    spec: {
      ...{ type: 'ClusterIP', clusterIP, clusterIPs: [clusterIP] },
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    },
  };
}

/** `change` alters one endpoint's address. */
function slice(i: number, change: number): EndpointSlice {
  const endpoints = Array.from({ length: endpointCount }, (_, k) => {
    const host = (k === 0 ? i + change : i) % 250;
    return { addresses: [`10.244.${k}.${host + 1}`], nodeName: `worker-${k}` };
  });
  return {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
    metadata: { name: `service-${i}-1`, namespace: 'bench' },
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints,
  };
}

/** One life of a kube-proxy from its caches down to the kernel, in a namespace. */
class Proxy {
  readonly #cache = new RuleCache({ nodeName });
  readonly #backend: NftablesBackend;
  readonly reports: SyncReport[] = [];

  constructor(run: RunCommand) {
    this.#backend = new NftablesBackend({
      ...{ run, clock: new RealClock(), random: new SeededRandom(1), logger: silentLogger },
      network: () => ({
        ...{ clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16', nodeIPs: [], localhostNodePorts: true },
      }),
      onSync: (report) => this.reports.push(report),
    });
  }

  /** Milliseconds from the objects to the kernel's answer. */
  async sync(services: readonly Service[], slices: ReadonlyMap<string, EndpointSlice>): Promise<number> {
    const startedMs = performance.now();
    const slicesOf = ({ metadata }: Service): readonly EndpointSlice[] => {
      const found = slices.get(metadata.name ?? '');
      return found ? [found] : [];
    };
    this.#backend.replace(this.#cache.rules(services, slicesOf));
    await this.#backend.settled();
    if (this.reports.at(-1)?.succeeded !== true) throw new Error('the kernel did not take the rules');
    return performance.now() - startedMs;
  }

  stop(): Promise<void> {
    return this.#backend.stop();
  }
}

/** 5,000 Services of 3 endpoints in nftables: all at once, again over what is there, and one change. */
export async function kubeProxyRows(): Promise<Row[]> {
  const missing = namespacePrograms.flatMap((program) => program.missing ?? []);
  if (missing.length > 0) {
    process.stderr.write(`kube-proxy is not measured: ${missing.join('; ')}\n`);
    return [];
  }
  const namespace = `bench-kube-proxy-${process.pid}`;
  execFileSync('ip', ['netns', 'add', namespace]);
  try {
    return await measure((program, args, input) =>
      runCommand('ip', ['netns', 'exec', namespace, program, ...args], input),
    );
  } finally {
    execFileSync('ip', ['netns', 'delete', namespace]);
  }
}

async function measure(run: RunCommand): Promise<Row[]> {
  const services = Array.from({ length: serviceCount }, (_, i) => service(i));
  const slices = new Map(services.map(({ metadata }, i) => [metadata.name ?? '', slice(i, 0)]));
  const first: number[] = [];
  const restarted: number[] = [];
  for (let i = 0; i < fullRuns; i++) {
    await run('nft', ['flush', 'ruleset']);
    for (const times of [first, restarted]) {
      const proxy = new Proxy(run);
      times.push((await proxy.sync(services, slices)) / 1000);
      await proxy.stop();
    }
  }
  const { changes, bytes } = await measureChanges(run, services, slices);
  return [
    { what: '5,000 Services x 3 endpoints, first sync', values: first, unit: 's', goal: '2 s' },
    { what: '  p99', values: [quantile(first, 0.99)], unit: 's', goal: '' },
    { what: '  sync of a restarted kube-proxy', values: restarted, unit: 's', goal: '2 s' },
    { what: '  p99', values: [quantile(restarted, 0.99)], unit: 's', goal: '' },
    { what: '  one endpoint changes', values: changes, unit: 'ms', goal: '' },
    { what: '  p99', values: [quantile(changes, 0.99)], unit: 'ms', goal: '' },
    { what: '  bytes handed to nft for it', values: bytes, unit: 'B', goal: '' },
  ];
}

async function measureChanges(
  run: RunCommand,
  services: readonly Service[],
  slices: Map<string, EndpointSlice>,
): Promise<{ changes: number[]; bytes: number[] }> {
  const proxy = new Proxy(run);
  await proxy.sync([], noService);
  await proxy.sync(services, slices);
  proxy.reports.length = 0;
  const changes: number[] = [];
  for (let i = 0; i < changeRuns; i++) {
    const changed = (i * 37) % serviceCount;
    slices.set(`service-${changed}`, slice(changed, 1 + i));
    changes.push(await proxy.sync(services, slices));
  }
  await proxy.stop();
  return { changes, bytes: proxy.reports.map((report) => report.bytes) };
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
}
