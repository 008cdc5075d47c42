import type { Node } from '#api/gen/types';
import { formatMicroTime, type Clock } from '#base/clock';
import type { HttpAnswer } from './http.ts';

/** A write that takes longer than this is a failure: twice upstream's sync period (pkg/proxy/healthcheck, release 1.36). */
const healthTimeoutMs = 60_000;

/** A cluster autoscaler puts this on nodes it is about to remove. */
const toBeDeleted = 'ToBeDeletedByClusterAutoscaler';

/** Whether rules follow the API: `/healthz` and `/livez` of kube-proxy. */
export class ProxyHealth {
  readonly #clock: Clock;
  #queuedMs: number | undefined;
  #updatedMs: number;
  #eligible = true;
  /** Requests answered, by status. */
  readonly healthzTotal = new Map<number, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#updatedMs = clock.now();
  }

  /** A change arrived that is not written yet. */
  queued(): void {
    this.#queuedMs ??= this.#clock.now();
  }

  /** Everything that arrived is written. */
  updated(): void {
    this.#queuedMs = undefined;
    this.#updatedMs = this.#clock.now();
  }

  /** This node's own Node: load balancers stop sending to one that is about to go. */
  sawNode(node: Node): void {
    const tainted = (node.spec?.taints ?? []).some((taint) => taint.key === toBeDeleted);
    this.#eligible = !node.metadata.deletionTimestamp && !tainted;
  }

  get healthy(): boolean {
    return this.#queuedMs === undefined || this.#clock.now() - this.#queuedMs < healthTimeoutMs;
  }

  answer(path: string): HttpAnswer | undefined {
    if (path !== '/healthz' && path !== '/livez') return undefined;
    const healthz = path === '/healthz';
    const good = this.healthy && (this.#eligible || !healthz);
    const status = good ? 200 : 503;
    if (healthz) this.healthzTotal.set(status, (this.healthzTotal.get(status) ?? 0) + 1);
    const nowMs = this.#clock.now();
    const body = {
      lastUpdated: formatMicroTime(good ? nowMs : this.#updatedMs),
      currentTime: formatMicroTime(nowMs),
      ...(healthz ? { nodeEligible: this.#eligible } : {}),
    };
    return { status, contentType: 'application/json', body: JSON.stringify(body) };
  }
}
