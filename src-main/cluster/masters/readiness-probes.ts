import type { ApiHandler } from '#apiserver/request';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { identities } from '../identities.ts';
import { InProcessTransport } from '../in-process-transport.ts';

/** Between two probes, and how long one may take: what is wrong is known within 2 s. */
const everyMs = 1_000;
const timeoutMs = 1_000;

/** An API server as it is probed. */
export interface Probed {
  readonly serves: boolean;
  readonly apiServer: { readonly handler: ApiHandler };
}

/** Asks each API server of several for `/readyz`, as a load balancer does: one that runs may still not be able to serve. */
export class ReadinessProbes {
  readonly #masters: readonly Probed[];
  readonly #clock: Clock;
  readonly #failed = new Set<Probed>();
  #timer: Disposable | undefined;
  #life: { readonly context: Context; readonly cancel: () => void } | undefined;

  constructor(masters: readonly Probed[], clock: Clock) {
    this.#masters = masters;
    this.#clock = clock;
  }

  isReady(master: Probed): boolean {
    return !this.#failed.has(master);
  }

  start(): void {
    this.#life = Context.background().withCancel();
    this.#schedule(this.#life.context);
  }

  stop(): void {
    this.#timer?.dispose();
    this.#life?.cancel();
  }

  #schedule(life: Context): void {
    this.#timer = this.#clock.setTimer(everyMs, () => {
      void Promise.all(this.#masters.map((master) => this.#probe(life, master))).then(() => {
        if (!life.ended) this.#schedule(life);
      });
    });
  }

  async #probe(life: Context, master: Probed): Promise<void> {
    // One that starts again begins with a clean slate.
    if (!master.serves) return void this.#failed.delete(master);
    const limit = life.withTimeout(this.#clock, timeoutMs);
    const { handler } = master.apiServer;
    const transport = new InProcessTransport({ handler, user: identities.admin, userAgent: 'drydock-balancer' });
    try {
      await transport.request(limit.context, { method: 'GET', path: '/readyz' });
      this.#failed.delete(master);
    } catch {
      // Whatever went wrong: it cannot say that it is ready.
      if (!life.ended) this.#failed.add(master);
    } finally {
      limit.cancel();
    }
  }
}
