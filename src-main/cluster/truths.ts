import { latencyBounds, type RequestSeries } from '#apiserver/api-server-metrics';
import type { Component } from '#base/component';
import { Context } from '#base/context';
import { hopName } from '#machines/ssh/target';
import type { ControlPlane } from './control-plane.ts';
import type { Worker } from './workers/worker.ts';
import type { LabTruth } from './lab-view.ts';

type ComponentTruth = Extract<LabTruth, { kind: 'component' }>;
type Metrics = Readonly<Record<string, number>>;

const latencyWindowMs = 10_000;

/** Remembers when each component came into its state, and what was counted a moment ago, to tell rates. */
export class TruthTeller {
  readonly #now: () => number;
  readonly #since = new Map<string, { readonly state: string; readonly sinceMs: number }>();
  readonly #counts = new Map<string, { readonly count: number; readonly atMs: number; readonly perSecond: number }>();

  readonly #latencies: { readonly atMs: number; readonly totals: readonly number[] }[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  async tell(
    controlPlane: ControlPlane,
    workers: readonly Worker[],
    master: string,
    masterIp: string,
  ): Promise<readonly LabTruth[]> {
    const { apiServer, store, scheduler, controllerManager } = controlPlane;
    const storeMetrics = await this.#storeMetrics(controlPlane);
    const here = { machine: master };
    return [
      this.#master(master, masterIp),
      ...store.members.map((member) => this.#component(member, 'etcd', here, storeMetrics)),
      this.#component(apiServer, 'kube-apiserver', here, this.#apiMetrics(controlPlane)),
      this.#component(
        scheduler,
        'kube-scheduler',
        { ...here, note: scheduler.isLeader ? 'leader' : 'candidate' },
        queueMetrics(scheduler.queueCounts),
      ),
      this.#component(
        controllerManager,
        'kube-controller-manager',
        { ...here, note: controllerManager.isLeader ? 'leader' : 'candidate' },
        {},
      ),
      ...(await Promise.all(workers.map((worker) => this.#worker(worker)))).flat(),
    ];
  }

  async #worker(worker: Worker): Promise<readonly LabTruth[]> {
    const { name, driver, cpus, memoryBytes, ssh } = worker.config;
    const id = `machine/${name}`;
    const { state, sinceMs, address } = worker;
    const components = await worker.components(Context.background());
    return [
      {
        ...{ kind: 'machine', id, name, role: 'worker', driver, address, state, sinceMs },
        // A machine of the person's is given no size.
        ...(ssh ? { target: hopName(ssh) } : { cpus, memoryBytes }),
      },
      ...components.map(({ kind, metrics, ...component }) =>
        this.#component(component, kind, { machine: name }, metrics),
      ),
    ];
  }

  #master(name: string, address: string): LabTruth {
    const id = `machine/${name}`;
    const sinceMs = this.#sinceOf(id, 'running');
    return { kind: 'machine', id, name, role: 'master', driver: 'embedded', address, state: 'running', sinceMs };
  }

  #component(
    component: Pick<Component, 'name' | 'state'>,
    kind: ComponentTruth['component'],
    where: { readonly machine: string; readonly note?: string },
    metrics: Metrics,
  ): ComponentTruth {
    const { name: id, state } = component;
    return { kind: 'component', id, component: kind, ...where, state, sinceMs: this.#sinceOf(id, state), metrics };
  }

  #sinceOf(id: string, state: string): number {
    const known = this.#since.get(id);
    if (known?.state === state) return known.sinceMs;
    const sinceMs = this.#now();
    this.#since.set(id, { state, sinceMs });
    return sinceMs;
  }

  async #storeMetrics({ store }: ControlPlane): Promise<Metrics> {
    if (!store.members.some((member) => member.state === 'running')) return {};
    const { revision, keys, watchers, dbSizeBytes } = await store.client.status(Context.background());
    return { revision, keys, watchers, dbSizeBytes, writesPerSecond: this.#rate('etcd', revision) };
  }

  #apiMetrics({ apiServer }: ControlPlane): Metrics {
    if (apiServer.state !== 'running') return {};
    const { requests, watchers } = apiServer.metrics;
    const total = requests.reduce((sum, series) => sum + series.count, 0);
    let watches = 0;
    for (const count of watchers.values()) watches += count;
    return { requestsPerSecond: this.#rate('apiserver', total), p99Ms: this.#p99(requests), watches };
  }

  /** Of the answers of the last ten seconds or so: what a start took long ago says nothing about now. */
  #p99(requests: readonly RequestSeries[]): number {
    const nowMs = this.#now();
    const totals = bucketTotals(requests);
    const windows = this.#latencies;
    windows.push({ atMs: nowMs, totals });
    while (windows.length > 1 && nowMs - (windows[1]?.atMs ?? nowMs) >= latencyWindowMs) windows.shift();
    const before = windows[0]?.totals ?? [];
    return p99Of(totals.map((count, i) => count - (before[i] ?? 0)));
  }

  /** Change per second since the last look that was at least half a second ago, to one decimal. */
  #rate(name: string, count: number): number {
    const nowMs = this.#now();
    const before = this.#counts.get(name);
    if (before && nowMs - before.atMs < 500) return before.perSecond;
    const perSecond = before ? Math.round(((count - before.count) / (nowMs - before.atMs)) * 10_000) / 10 : 0;
    this.#counts.set(name, { count, atMs: nowMs, perSecond });
    return perSecond;
  }
}

function queueMetrics(
  counts: { readonly active: number; readonly backoff: number; readonly unschedulable: number } | undefined,
): Metrics {
  return counts ? { queue: counts.active + counts.backoff + counts.unschedulable } : {};
}

/** Answers by bucket of `latencyBounds`; watches and streams do not count, they end when their reader likes. */
function bucketTotals(requests: readonly RequestSeries[]): number[] {
  const totals = latencyBounds.map(() => 0);
  for (const { verb, buckets } of requests) {
    if (verb === 'watch' || verb === 'connect') continue;
    for (const i of totals.keys()) totals[i] = (totals[i] ?? 0) + (buckets[i] ?? 0);
  }
  return totals;
}

/** The bound below which 99 of 100 came, in milliseconds; 0 when nothing came. */
function p99Of(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (const [i, bound] of latencyBounds.entries()) {
    seen += counts[i] ?? 0;
    if (seen >= total * 0.99) return total === 0 ? 0 : bound * 1000;
  }
  return 0;
}
