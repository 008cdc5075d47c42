import { latencyBounds, type RequestSeries } from '#apiserver/api-server-metrics';
import type { Component } from '#base/component';
import { RealClock } from '#base/clock';
import { CancelledError } from '#base/errors';
import type { LeaderElected } from '#client/leader-elected';
import { Context } from '#base/context';
import { EtcdError } from '#etcd/client';
import { hopName } from '#machines/ssh/target';
import { apiAddress } from './addresses.ts';
import type { Worker } from './workers/worker.ts';
import type { LabTruth } from './lab-view.ts';
import type { Master } from './masters/master.ts';
import type { Masters } from './masters/masters.ts';
import type { LabStore, StoreMember } from './stores/lab-store.ts';

type ComponentTruth = Extract<LabTruth, { kind: 'component' }>;
type Metrics = Readonly<Record<string, number>>;

const latencyWindowMs = 10_000;
/** Of what a store tells of itself: people look at the picture all the time. */
const storeTimeoutMs = 800;

/** Remembers when each component came into its state, and what was counted a moment ago, to tell rates. */
export class TruthTeller {
  readonly #now: () => number;
  readonly #since = new Map<string, { readonly state: string; readonly sinceMs: number }>();
  readonly #counts = new Map<string, { readonly count: number; readonly atMs: number; readonly perSecond: number }>();

  readonly #latencies = new Map<string, { readonly atMs: number; readonly totals: readonly number[] }[]>();

  constructor(now: () => number) {
    this.#now = now;
  }

  async tell(masters: Masters, store: LabStore, workers: readonly Worker[]): Promise<readonly LabTruth[]> {
    const storeMetrics = await this.#storeMetrics(store);
    return [
      ...masters.list.flatMap((master) => this.#master(masters, master)),
      ...store.members.map((member) => this.#component(member, 'etcd', whereIs(member, masters, store), storeMetrics)),
      ...(await Promise.all(workers.map((worker) => this.#worker(worker)))).flat(),
    ];
  }

  #master(masters: Masters, master: Master): readonly LabTruth[] {
    const { name, port, state, sinceMs, apiServer, scheduler, controllerManager } = master;
    const address = masters.list.length > 1 ? `127.0.0.1:${port}` : apiAddress.ip;
    const here = { machine: name };
    return [
      {
        ...{
          kind: 'machine',
          id: `machine/${name}`,
          name,
          role: 'master',
          driver: 'embedded',
          address,
          state,
          sinceMs,
        },
      },
      this.#component(apiServer, 'kube-apiserver', here, this.#apiMetrics(master)),
      this.#component(
        scheduler,
        'kube-scheduler',
        { ...here, ...roleOf(scheduler) },
        queueMetrics(scheduler.queueCounts),
      ),
      this.#component(controllerManager, 'kube-controller-manager', { ...here, ...roleOf(controllerManager) }, {}),
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

  #component(
    component: Pick<Component, 'name' | 'state'>,
    kind: ComponentTruth['component'],
    where: { readonly machine: string; readonly endpoint?: string; readonly note?: string },
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

  /** None while the store does not answer: that is told by its members' states and notes. */
  async #storeMetrics(store: LabStore): Promise<Metrics> {
    if (!store.members.some((member) => member.state === 'running')) return {};
    // Programs outside this process live in real time.
    const limit = Context.background().withTimeout(new RealClock(), storeTimeoutMs);
    try {
      const { revision, keys, watchers, dbSizeBytes } = await store.client.status(limit.context);
      return { revision, keys, watchers, dbSizeBytes, writesPerSecond: this.#rate('etcd', revision) };
    } catch (error) {
      if (error instanceof EtcdError || error instanceof CancelledError) return {};
      throw error;
    } finally {
      limit.cancel();
    }
  }

  #apiMetrics({ name, apiServer }: Master): Metrics {
    if (apiServer.state !== 'running') return {};
    const { requests, watchers } = apiServer.metrics;
    const total = requests.reduce((sum, series) => sum + series.count, 0);
    let watches = 0;
    for (const count of watchers.values()) watches += count;
    return { requestsPerSecond: this.#rate(`apiserver/${name}`, total), p99Ms: this.#p99(name, requests), watches };
  }

  /** Of the answers of the last ten seconds or so: what a start took long ago says nothing about now. */
  #p99(master: string, requests: readonly RequestSeries[]): number {
    const nowMs = this.#now();
    const totals = bucketTotals(requests);
    const windows = this.#latencies.get(master) ?? [];
    this.#latencies.set(master, windows);
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

/** A dead candidate is none. */
function roleOf({ state, isLeader }: Pick<LeaderElected, 'state' | 'isLeader'>): { readonly note?: string } {
  return state === 'running' ? { note: isLeader ? 'leader' : 'candidate' } : {};
}

/** The card a member is shown on: the master's that has its number; what all masters share lies with the first and says so. */
function whereIs(
  member: StoreMember,
  masters: Masters,
  { kind, members }: LabStore,
): { readonly machine: string; readonly endpoint: string; readonly note?: string } {
  const { list } = masters;
  const place = members.length > 1 ? members.indexOf(member) : 0;
  const where = { machine: (list[place] ?? list[0])?.name ?? '', endpoint: member.endpoint };
  if (member.note !== undefined) return { ...where, note: member.note };
  const shared = kind === 'embedded' && list.length > 1;
  return shared ? { ...where, note: `shared by ${list.length} masters` } : where;
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
