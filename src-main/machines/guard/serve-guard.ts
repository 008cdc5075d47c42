import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { DockerEngine } from '../docker/engine.ts';
import { engineFailure } from '../docker/errors.ts';
import { dockerLabels } from '../docker/labels.ts';
import { MachineError } from '../errors.ts';
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
      await undoOnce(context, rescue, action);
      logger.info('a node was brought back: Drydock ended while it was broken', facts);
      return;
    } catch (error) {
      const status = error instanceof MachineError ? engineFailure(error.cause).statusCode : undefined;
      // Gone (404), or back already (304, 409 and, for what was not paused, 500): nothing to do.
      if (status !== undefined) return logger.info('nothing to bring back', { ...facts, why: messageOf(error) });
      logger.warn('a node was not brought back', { ...facts, error: messageOf(error) });
      await clock.sleep(context, attemptGapMs);
    }
  }
}

/** A container of that name that is not this home's is somebody else's. */
async function undoOnce(context: Context, rescue: Rescue, action: UndoAction): Promise<void> {
  const engine = new DockerEngine(rescue.endpoint);
  await engine.call(context, `${action} the container ${rescue.container}`, async (docker) => {
    const container = docker.getContainer(rescue.container);
    const { Config: config } = await container.inspect();
    if (config.Labels[dockerLabels.home] !== rescue.home) return;
    await (action === 'start' ? container.start() : container.unpause());
  });
}
