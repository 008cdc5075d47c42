import type { Clock } from '#base/clock';
import type { Component, ComponentState } from '#base/component';
import { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { KubeClient } from '#client/client';
import { SharedInformerFactory } from '#client/informer';
import { LeaderElector } from '#client/leader-election';
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

const rememberedDecisions = 500;

/**
 * kube-scheduler as a component. Several may run: one of them, elected over the Lease `kube-system/kube-scheduler`,
 * schedules. Everything it knows (caches, queue, events not yet written) belongs to one life and is gone with it.
 */
export class Scheduler implements Component {
  readonly name: string;
  readonly #options: SchedulerOptions;
  #state: ComponentState = 'stopped';
  #end: { readonly cancel: () => void; readonly done: Promise<void>; readonly elector: LeaderElector } | undefined;
  #loop: SchedulingLoop | undefined;
  #decisions: Decision[] = [];

  constructor(options: SchedulerOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get state(): ComponentState {
    return this.#state;
  }

  get isLeader(): boolean {
    return this.#end?.elector.isLeader ?? false;
  }

  /** The last decisions, oldest first. */
  get lastDecisions(): readonly Decision[] {
    return this.#decisions;
  }

  /** Pods waiting, by where in the queue they are; undefined while another scheduler leads. */
  get queueCounts(): SchedulingLoop['counts'] | undefined {
    return this.#loop?.counts;
  }

  async start(context: Context): Promise<void> {
    context.check();
    if (this.#end) return;
    const { client, clock, random, logger, name } = this.#options;
    const { context: life, cancel } = Context.background().withCancel();
    const identity = name.slice(name.indexOf('/') + 1);
    const elector = new LeaderElector({
      client,
      clock,
      random,
      logger,
      namespace: 'kube-system',
      name: 'kube-scheduler',
      identity,
    });
    const done = this.#run(life, elector);
    this.#end = { cancel, done, elector };
    this.#state = 'running';
  }

  async stop(): Promise<void> {
    const end = this.#end;
    if (!end) return;
    this.#state = 'stopping';
    end.cancel();
    await end.done;
    const { context, cancel } = Context.background().withTimeout(this.#options.clock, 2_000);
    await end.elector.release(context);
    cancel();
    this.#end = undefined;
    this.#state = 'stopped';
  }

  crash(): void {
    this.#end?.cancel();
    this.#end = undefined;
    this.#state = 'crashed';
  }

  /** Candidate, leader, candidate again, until the life ends. */
  async #run(life: Context, elector: LeaderElector): Promise<void> {
    while (!life.ended) {
      try {
        await elector.run(life, (leading) => this.#lead(leading));
      } catch (error) {
        if (!(error instanceof CancelledError))
          this.#options.logger.error('election failed', { error: messageOf(error) });
      }
    }
  }

  async #lead(leading: Context): Promise<void> {
    const { client, clock, random, logger } = this.#options;
    const informers = new SharedInformerFactory({ client, clock, random, logger });
    const schedulerName = this.#options.schedulerName ?? 'default-scheduler';
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
