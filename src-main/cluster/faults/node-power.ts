import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { InjectedFault } from '#machines/fault-book';
import { MachineError } from '#machines/errors';
import type { MachineWatch, UndoAction } from '#machines/machine';
import type { Worker } from '../workers/worker.ts';

const quiet = (): void => undefined;

/** Stops, kills, freezes or restarts a whole machine. A restart is over when the machine is up again. */
export async function faultNodePower(
  context: Context,
  worker: Worker,
  action: 'stop' | 'kill' | 'pause' | 'restart',
  watch: (undo: UndoAction) => Promise<MachineWatch>,
): Promise<InjectedFault> {
  const { name } = worker.config;
  if (worker.state !== 'running') throw new MachineError('INVALID', `${name} does not run: it is ${worker.state}`);
  const bringBack = (life: Context): Promise<void> =>
    action === 'pause' ? worker.unpause(life) : worker.start(life, quiet);
  const watched = await watch(action === 'pause' ? 'unpause' : 'start');
  try {
    if (action === 'stop') await worker.stop(context);
    else if (action === 'pause') await worker.pause(context);
    else await worker.kill(context);
  } catch (error) {
    await watched.drop();
    throw error;
  }
  if (action === 'restart') {
    const up = bringBack(Context.background()).finally(() => watched.drop());
    const ended = up.then(
      () => `${name} is up again`,
      (error: unknown) => `${name} did not start: ${messageOf(error)}`,
    );
    return { text: `${name} restarts`, ended, heal: () => up };
  }
  const done = { stop: 'was stopped', kill: 'lost power', pause: 'is frozen' }[action];
  return {
    text: `${name} ${done}`,
    ended: watched.ended.then(() => broughtBack(bringBack)),
    heal: async (life) => {
      await bringBack(life);
      await watched.drop();
    },
    // A machine that is off stays off while its lab is stopped, and starts with it.
    ...(action === 'pause' ? {} : { letGo: () => watched.drop() }),
  };
}

/**
 * The connection was lost, so the machine brings itself back, as it does when Drydock dies: it cannot tell. One that restarted
 * meanwhile has forgotten that it should. When it is not reached, the fault stays until it is healed or over.
 */
async function broughtBack(bringBack: (life: Context) => Promise<void>): Promise<string> {
  try {
    await bringBack(Context.background());
  } catch {
    return new Promise(() => undefined);
  }
  return 'over: the connection was lost, and the machine brought itself back';
}
