import type { Clock } from '#base/clock';
import type { Component, ComponentState } from '#base/component';
import { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { KubeClient } from './client.ts';
import { LeaderElector } from './leader-election.ts';
import { ApiEventRecorder } from './recorder.ts';

export interface LeaderElectedOptions {
  /** Unique in its cluster: `kube-scheduler/master-1`. Before the slash the lease's name, after it the identity. */
  readonly name: string;
  /** Source of the events that say who became leader; absent: the lease's name. */
  readonly eventSource?: string;
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

interface Life {
  readonly cancel: () => void;
  readonly done: Promise<void>;
  readonly elector: LeaderElector;
}

const leaseNamespace = 'kube-system';
const releaseTimeoutMs = 2_000;

/**
 * A component of which several may run and one works: whoever holds the Lease in kube-system. What a term of leadership knows
 * belongs to that term, so that nothing of an older one is believed.
 */
export abstract class LeaderElected implements Component {
  readonly name: string;
  readonly #options: LeaderElectedOptions;
  #state: ComponentState = 'stopped';
  #life: Life | undefined;

  constructor(options: LeaderElectedOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Works until `leading` ends. */
  protected abstract lead(leading: Context): Promise<void>;

  get state(): ComponentState {
    return this.#state;
  }

  get isLeader(): boolean {
    return this.#life?.elector.isLeader ?? false;
  }

  async start(context: Context): Promise<void> {
    context.check();
    if (this.#life) return;
    const { client, clock, random, logger } = this.#options;
    const { context: life, cancel } = Context.background().withCancel();
    const [lease = '', identity = ''] = this.name.split('/');
    const { eventSource: component = lease } = this.#options;
    const recorder = new ApiEventRecorder({ client, clock, random, logger, component, life });
    const elector = new LeaderElector({
      ...{ client, clock, random, logger, recorder, namespace: leaseNamespace, name: lease, identity },
    });
    this.#life = { cancel, done: this.#run(life, elector), elector };
    this.#state = 'running';
  }

  async stop(): Promise<void> {
    const life = this.#life;
    if (!life) return;
    this.#state = 'stopping';
    life.cancel();
    await life.done;
    const { context, cancel } = Context.background().withTimeout(this.#options.clock, releaseTimeoutMs);
    await life.elector.release(context);
    cancel();
    this.#life = undefined;
    this.#state = 'stopped';
  }

  crash(): void {
    this.#life?.cancel();
    this.#life = undefined;
    this.#state = 'crashed';
  }

  /** Candidate, leader, candidate again, until the life ends. */
  async #run(life: Context, elector: LeaderElector): Promise<void> {
    while (!life.ended) {
      try {
        await elector.run(life, (leading) => this.lead(leading));
      } catch (error) {
        if (!(error instanceof CancelledError))
          this.#options.logger.error('election failed', { error: messageOf(error) });
      }
    }
  }
}
