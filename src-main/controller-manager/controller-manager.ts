import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { KubeClient } from '#client/client';
import { SharedInformerFactory } from '#client/informer';
import { LeaderElected } from '#client/leader-elected';
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
export class ControllerManager extends LeaderElected {
  readonly #options: ControllerManagerOptions;

  constructor(options: ControllerManagerOptions) {
    super(options);
    this.#options = options;
  }

  protected override async lead(leading: Context): Promise<void> {
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
