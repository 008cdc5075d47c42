import type { ConfigMap } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { configMaps } from '#client/resources';
import { RestClient } from '#client/rest-client';
import { adminTransport } from './api.ts';

const clock = new RealClock();
const writers = 4;

/** Writers with a connection each, which try again what failed, until they are stopped. */
export class WriteLoad {
  readonly #acknowledged = new Map<string, string>();
  readonly #work: Promise<unknown>;
  #stopped = false;
  #lastMs = clock.now();
  #longestGapMs = 0;

  constructor(kubeconfig: string) {
    this.#work = Promise.all(Array.from({ length: writers }, (_, i) => this.#write(kubeconfig, i)));
  }

  /** So many were acknowledged. */
  get count(): number {
    return this.#acknowledged.size;
  }

  /** The longest that no writer at all had a write acknowledged. */
  get longestGapMs(): number {
    return Math.max(this.#longestGapMs, clock.now() - this.#lastMs);
  }

  /** Name and resourceVersion of everything that was acknowledged. */
  async stop(): Promise<ReadonlyMap<string, string>> {
    this.#stopped = true;
    await this.#work;
    return this.#acknowledged;
  }

  async #write(kubeconfig: string, writer: number): Promise<void> {
    const maps = new RestClient(adminTransport(kubeconfig)).resource<ConfigMap>(configMaps);
    for (let next = 0; !this.#stopped; next++) {
      const metadata = { name: `load-${writer}-${next}`, namespace: 'default' };
      try {
        const made = await maps.create(Context.background(), { apiVersion: 'v1', kind: 'ConfigMap', metadata });
        this.#acknowledged.set(metadata.name, made.metadata.resourceVersion ?? '');
        const nowMs = clock.now();
        this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastMs);
        this.#lastMs = nowMs;
      } catch (error) {
        // Its API server died, or etcd's leader, and nobody knows whether it wrote: the next one is another object.
        if (!isStatus(error, 'ServiceUnavailable') && !isStatus(error, 'Timeout')) throw error;
      }
      await clock.sleep(Context.background(), 10);
    }
  }
}
