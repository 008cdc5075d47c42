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
import type { Controller, ControllerOptions } from './controller.ts';

/** One controller of the manager. */
export interface ControllerDescriptor {
  /** Upstream's name, as in `--controllers`: `replicaset-controller`. */
  readonly name: string;
  /** `source.component` of its events, where that is another name: `node-controller`. */
  readonly eventSource?: string;
  readonly create: (options: ControllerOptions) => Controller;
}

export interface ControllerManagerOptions {
  /** Unique in its cluster: `kube-controller-manager/master-1`. What comes after the slash is the identity in the election. */
  readonly name: string;
  readonly client: KubeClient;
  /** The client of one controller, where each has a name of its own; default: `client` for all. */
  readonly clientOf?: (controller: string) => KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly controllers: readonly ControllerDescriptor[];
}

/** What one term of leadership runs. */
interface Term {
  readonly controllers: readonly Controller[];
  readonly recorders: readonly ApiEventRecorder[];
  readonly informers: SharedInformerFactory;
}

/**
 * kube-controller-manager as a component. Several may run: the one elected over the Lease
 * `kube-system/kube-controller-manager` runs all controllers, over one set of informers. Every term has its own
 * controllers and caches, so that nothing of an older one is believed.
 */
export class ControllerManager implements Component {
  readonly name: string;
  readonly #options: ControllerManagerOptions;
  #state: ComponentState = 'stopped';
  #life: { readonly cancel: () => void; readonly done: Promise<void>; readonly elector: LeaderElector } | undefined;

  constructor(options: ControllerManagerOptions) {
    this.name = options.name;
    this.#options = options;
  }

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
    const identity = this.name.slice(this.name.indexOf('/') + 1);
    const lease = { namespace: 'kube-system', name: 'kube-controller-manager' };
    const elector = new LeaderElector({ client, clock, random, logger, ...lease, identity });
    this.#life = { cancel, done: this.#run(life, elector), elector };
    this.#state = 'running';
  }

  async stop(): Promise<void> {
    const life = this.#life;
    if (!life) return;
    this.#state = 'stopping';
    life.cancel();
    await life.done;
    const { context, cancel } = Context.background().withTimeout(this.#options.clock, 2_000);
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
        await elector.run(life, (leading) => this.#lead(leading));
      } catch (error) {
        if (!(error instanceof CancelledError))
          this.#options.logger.error('election failed', { error: messageOf(error) });
      }
    }
  }

  async #lead(leading: Context): Promise<void> {
    const term = this.#build();
    try {
      // All handlers are in place before the first object comes.
      term.informers.start(leading);
      for (const controller of term.controllers) controller.start(leading);
      await new Promise<void>((resolve) => leading.onEnd(resolve));
    } finally {
      await Promise.all(term.controllers.map((controller) => controller.stop()));
      term.informers.stop();
      for (const recorder of term.recorders) recorder.close();
    }
  }

  #build(): Term {
    const { client, clientOf, clock, random, logger } = this.#options;
    const informers = new SharedInformerFactory({ client, clock, random, logger });
    const recorders: ApiEventRecorder[] = [];
    const controllers = this.#options.controllers.map(({ name, eventSource, create }) => {
      const own = clientOf?.(name) ?? client;
      const recorder = new ApiEventRecorder({ client: own, clock, random, logger, component: eventSource ?? name });
      recorders.push(recorder);
      return create({ client: own, informers, clock, random, logger: logger.named(name), recorder });
    });
    return { controllers, recorders, informers };
  }
}
