import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { DockerEngine } from './engine.ts';
import { textLines } from './engine-stream.ts';
import { dockerLabels } from './labels.ts';

/** What the watch needs of a machine. */
export interface WatchedMachine {
  readonly containerName: string;
  readonly networkName: string;
  refresh(context: Context): Promise<void>;
  lost(): void;
}

const actions = ['create', 'start', 'restart', 'die', 'stop', 'kill', 'oom', 'pause', 'unpause', 'update', 'destroy'];
const networkActions = ['connect', 'disconnect'];
const retryMs = 1_000;

interface EngineEvent {
  readonly Type?: string;
  readonly Actor?: { readonly Attributes?: { readonly name?: string; readonly 'dev.drydock.home'?: string } };
}

/**
 * Follows the engine's events of this home's containers and tells each machine to look again. A broken stream (the engine
 * restarts) makes every machine unreachable until it is there again. Returns when `life` ends.
 */
export async function watchContainers(
  life: Context,
  options: {
    readonly engine: DockerEngine;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly home: string;
    readonly machines: () => readonly WatchedMachine[];
  },
): Promise<void> {
  const { engine, clock, home, machines } = options;
  while (!life.ended) {
    try {
      // Events of networks carry no labels to filter by.
      const filters = { type: ['container' as const, 'network' as const], event: [...actions, ...networkActions] };
      const body = await engine.call(life, 'follow events', (docker) => docker.getEvents({ filters }));
      // What happened while nobody listened is in no event.
      for (const machine of machines()) await machine.refresh(life);
      for await (const line of textLines(life, body)) {
        const { Type: type, Actor: actor } = JSON.parse(line) as EngineEvent;
        const { name, [dockerLabels.home]: owner } = actor?.Attributes ?? {};
        const concerned = machines().filter((machine) =>
          type === 'network' ? machine.networkName === name : owner === home && machine.containerName === name,
        );
        for (const machine of concerned) await machine.refresh(life);
      }
    } catch (error) {
      if (life.ended) return;
      // Each machine says that it is unreachable; the engine is asked until it is back.
      options.logger.debug('no events from Docker', { reason: messageOf(error) });
    }
    for (const machine of machines()) machine.lost();
    await clock.sleep(life, retryMs).catch(() => undefined);
  }
}
