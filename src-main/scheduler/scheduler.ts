import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { KubeClient } from '#client/client';
import { SharedInformerFactory } from '#client/informer';
import { LeaderElected } from '#client/leader-elected';
import { ApiEventRecorder } from '#client/recorder';
import type { Plugins } from './algorithm.ts';
import type { Decision } from './framework.ts';
import { defaultFilters, defaultScores } from './plugins/default-plugins.ts';
import { SchedulingLoop } from './scheduling-loop.ts';

export interface SchedulerOptions {
  /** Unique in its cluster: `kube-scheduler/master-1`. What comes after the slash is the identity in the election. */
  readonly name: string;
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly schedulerName?: string;
  readonly plugins?: Plugins;
}

const defaultSchedulerName = 'default-scheduler';
const rememberedDecisions = 500;

/**
 * kube-scheduler as a component. Several may run: one of them, elected over the Lease `kube-system/kube-scheduler`,
 * schedules. Everything it knows (caches, queue, events not yet written) belongs to one life and is gone with it.
 */
export class Scheduler extends LeaderElected {
  readonly #options: SchedulerOptions;
  #loop: SchedulingLoop | undefined;
  #decisions: Decision[] = [];

  constructor(options: SchedulerOptions) {
    super({ eventSource: options.schedulerName ?? defaultSchedulerName, ...options });
    this.#options = options;
  }

  /** The last decisions, oldest first. */
  get lastDecisions(): readonly Decision[] {
    return this.#decisions;
  }

  /** Pods waiting, by where in the queue they are; undefined while another scheduler leads. */
  get queueCounts(): SchedulingLoop['counts'] | undefined {
    return this.#loop?.counts;
  }

  protected override async lead(leading: Context): Promise<void> {
    const { client, clock, random, logger } = this.#options;
    const informers = new SharedInformerFactory({ client, clock, random, logger });
    const schedulerName = this.#options.schedulerName ?? defaultSchedulerName;
    const recorder = new ApiEventRecorder({ client, clock, random, logger, component: schedulerName });
    const plugins = this.#options.plugins ?? { filters: defaultFilters, scores: defaultScores };
    const onDecision = (decision: Decision): void => this.#remember(decision);
    const loop = new SchedulingLoop({
      client,
      informers,
      clock,
      random,
      logger,
      recorder,
      plugins,
      schedulerName,
      onDecision,
    });
    this.#loop = loop;
    try {
      informers.start(leading);
      await loop.run(leading);
    } finally {
      this.#loop = undefined;
      informers.stop();
      recorder.close();
    }
  }

  #remember(decision: Decision): void {
    this.#decisions.push(decision);
    if (this.#decisions.length > rememberedDecisions * 2) this.#decisions = this.#decisions.slice(-rememberedDecisions);
  }
}
