import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { DockerEngine } from '../docker/engine.ts';
import { engineFailure } from '../docker/errors.ts';
import { dockerLabels } from '../docker/labels.ts';
import type { Rescue, UndoAction } from '../machine.ts';
import type { GuardLine } from './fault-guard.ts';

export interface ServeGuardOptions {
  readonly input: Readable;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Docker itself may be starting again: how often, and how long apart, it is asked once more. */
const attempts = 10;
const attemptGapMs = 3_000;

/** The guard's whole life: listens until its input ends, undoes what is left, resolves. */
export async function serveGuard(context: Context, options: ServeGuardOptions): Promise<void> {
  const kept = new Map<string, Extract<GuardLine, { keep: string }>>();
  for await (const text of createInterface({ input: options.input })) {
    const line = JSON.parse(text) as GuardLine;
    if ('drop' in line) kept.delete(line.drop);
    else kept.set(line.keep, line);
  }
  await Promise.all([...kept.values()].map(({ rescue, action }) => undo(context, options, rescue, action)));
}

async function undo(context: Context, options: ServeGuardOptions, rescue: Rescue, action: UndoAction): Promise<void> {
  const { clock, logger } = options;
  const facts = { container: rescue.container, action };
  for (let attempt = 1; attempt <= attempts; attempt++) {
    try {
      const undone = await undoOnce(context, rescue, action);
      if (undone) logger.info('a node was brought back: Drydock ended while it was broken', facts);
      else logger.info('nothing to bring back', facts);
      return;
    } catch (error) {
      logger.warn('a node was not brought back', { ...facts, error: messageOf(error) });
      if (attempt < attempts) await clock.sleep(context, attemptGapMs);
    }
  }
}

/** Whether there was something to do. A container of that name that is not this home's is somebody else's. */
async function undoOnce(context: Context, rescue: Rescue, action: UndoAction): Promise<boolean> {
  const engine = new DockerEngine(rescue.endpoint);
  return engine.call(context, `${action} the container ${rescue.container}`, async (docker) => {
    const container = docker.getContainer(rescue.container);
    const facts = await container.inspect().catch((error: unknown) => {
      if (engineFailure(error).statusCode === 404) return undefined;
      throw error;
    });
    if (facts?.Config.Labels[dockerLabels.home] !== rescue.home) return false;
    const { Running: running, Paused: paused } = facts.State;
    if (action === 'start' ? running : !paused) return false;
    await (action === 'start' ? container.start() : container.unpause());
    return true;
  });
}
