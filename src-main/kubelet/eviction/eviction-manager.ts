import type { Pod } from '#api/gen/types';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import { formatBytes } from '#base/quantity';
import { uidOf } from '../pod-facts.ts';
import { isCritical } from '../qos.ts';
import type { HostStats } from '../stats/host-stats.ts';
import type { StatsProvider } from '../stats/stats-provider.ts';
import { rankForEviction, requestedOf, type PodUsage } from './ranking.ts';
import { pressureConditions, pressures, type Pressure, type PressureCondition } from './signals.ts';

export interface EvictionManagerOptions {
  readonly stats: HostStats;
  readonly provider: StatsProvider;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Pods that hold resources of the node. */
  readonly pods: () => readonly Pod[];
  /** Ends a pod for good, at once. */
  readonly evict: (pod: Pod, message: string) => void;
  /** A condition of the node turned. */
  readonly changed: () => void;
}

/** How often the signals are read, and how long a condition stays after its last one (KubeletConfiguration's defaults). */
const intervalMs = 10_000;
const transitionMs = 300_000;
/** After an eviction, what it freed has to show before the next: the pod's processes may still be ending. */
const settleMs = 10_000;

/** Gives back what the node runs out of, pod by pod (pkg/kubelet/eviction, release 1.36). */
export class EvictionManager {
  readonly #options: EvictionManagerOptions;
  /** When each condition was last seen to hold. */
  readonly #seenMs = new Map<PressureCondition, number>();
  #evictedMs = -Infinity;

  constructor(options: EvictionManagerOptions) {
    this.#options = options;
  }

  /** Whether the node says that it is under this pressure. */
  under(condition: PressureCondition): boolean {
    const seenMs = this.#seenMs.get(condition);
    return seenMs !== undefined && this.#options.clock.now() - seenMs < transitionMs;
  }

  /** Watches until `context` ends, then throws CancelledError. */
  async run(context: Context): Promise<never> {
    for (;;) {
      await this.synchronize(context);
      await this.#options.clock.sleep(context, intervalMs);
    }
  }

  async synchronize(context: Context): Promise<void> {
    const { stats, clock, changed } = this.#options;
    const before = pressureConditions.map((condition) => this.under(condition));
    const found = pressures(stats);
    for (const { condition } of found) this.#seenMs.set(condition, clock.now());
    if (pressureConditions.some((condition, index) => this.under(condition) !== before[index])) changed();
    for (const [condition, seenMs] of this.#seenMs) {
      // A condition that ran out since the last look turned without being seen.
      if (clock.now() - seenMs >= transitionMs && this.#seenMs.delete(condition)) changed();
    }
    const [worst] = found;
    if (worst && clock.now() - this.#evictedMs >= settleMs) await this.#evictOne(context, worst);
  }

  async #evictOne(context: Context, pressure: Pressure): Promise<void> {
    const { pods, evict, logger, clock } = this.#options;
    const candidates = pods().filter((pod) => !isCritical(pod) && !pod.metadata.deletionTimestamp);
    const usage = await this.#usage(context, candidates, pressure);
    const [first] = rankForEviction(candidates, (uid) => usage.get(uid) ?? { used: 0, requested: 0 });
    if (!first) {
      logger.warn('pressure, and no pod to evict', { signal: pressure.signal });
      return;
    }
    this.#evictedMs = clock.now();
    evict(first, await this.#message(context, first, pressure, usage.get(uidOf(first))));
  }

  async #usage(context: Context, pods: readonly Pod[], { resource }: Pressure): Promise<ReadonlyMap<string, PodUsage>> {
    const { provider, stats } = this.#options;
    const memory = new Map(
      (await provider.pods(context)).map(({ podRef, memory: { workingSetBytes } }) => [podRef.uid, workingSetBytes]),
    );
    const usage = new Map<string, PodUsage>();
    for (const pod of pods) {
      const uid = uidOf(pod);
      const disk = resource === 'ephemeral-storage' ? await diskUsage(stats, pod) : 0;
      const used = resource === 'memory' ? (memory.get(uid) ?? 0) : disk;
      usage.set(uid, { used, requested: requestedOf(pod, resource) });
    }
    return usage;
  }

  async #message(context: Context, pod: Pod, pressure: Pressure, usage: PodUsage | undefined): Promise<string> {
    const { resource, minimumAmount, available } = pressure;
    const amount = (value: number): string =>
      resource === 'pids' || resource === 'inodes' ? String(Math.floor(value)) : formatBytes(Math.floor(value));
    const base = `The node was low on resource: ${resource}. Threshold quantity: ${amount(minimumAmount)}, available: ${amount(available)}. `;
    if (resource !== 'memory' || !usage || usage.used <= usage.requested) return base;
    const summary = (await this.#options.provider.pods(context)).find(({ podRef }) => podRef.uid === uidOf(pod));
    const words = (summary?.containers ?? []).flatMap(({ name, memory }) => {
      const request = pod.spec.containers.find((container) => container.name === name)?.resources?.requests?.['memory'];
      return [
        `Container ${name} was using ${amount(memory.workingSetBytes)}, request is ${request ?? '0'}, has larger consumption of memory. `,
      ];
    });
    return base + words.join('');
  }
}

/** Volumes on the node's disk and logs; what a container wrote into its own root the runtime alone could tell. */
async function diskUsage(stats: HostStats, pod: Pod): Promise<number> {
  const { namespace = '', name = '' } = pod.metadata;
  const volumes = await stats.diskUsage(`/var/lib/kubelet/pods/${uidOf(pod)}/volumes`);
  return volumes + (await stats.diskUsage(`/var/log/pods/${namespace}_${name}_${uidOf(pod)}`));
}
