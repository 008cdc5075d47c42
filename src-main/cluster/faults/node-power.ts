import { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import type { InjectedFault } from '#machines/fault-book';
import type { UndoAction } from '#machines/guard/fault-guard';
import { MachineError } from '#machines/errors';
import type { Worker } from '../workers/worker.ts';

const quiet = (): void => undefined;
const never = new Promise<string>(() => undefined);

/** Stops, kills, freezes or restarts a whole machine. A restart is over when the machine is up again. */
export async function faultNodePower(
  context: Context,
  worker: Worker,
  action: 'stop' | 'kill' | 'pause' | 'restart',
  watch: (undo: UndoAction) => Disposable,
): Promise<InjectedFault> {
  const { name } = worker.config;
  if (worker.state !== 'running') throw new MachineError('INVALID', `${name} does not run: it is ${worker.state}`);
  const start = (life: Context): Promise<void> => worker.start(life, quiet);
  const watched = watch(action === 'pause' ? 'unpause' : 'start');
  try {
    if (action === 'stop') await worker.stop(context);
    else if (action === 'pause') await worker.pause(context);
    else await worker.kill(context);
  } catch (error) {
    watched.dispose();
    throw error;
  }
  if (action === 'restart') {
    const up = start(Context.background()).finally(() => watched.dispose());
    const ended = up.then(
      () => `${name} is up again`,
      (error: unknown) => `${name} did not start: ${messageOf(error)}`,
    );
    return { text: `${name} restarts`, ended, heal: () => up };
  }
  const done = { stop: 'was stopped', kill: 'lost power', pause: 'is frozen' }[action];
  return {
    text: `${name} ${done}`,
    ended: never,
    heal: async (life) => {
      if (action === 'pause') await worker.unpause(life);
      else await start(life);
      watched.dispose();
    },
    // A machine that is off stays off while its lab is stopped, and starts with it.
    ...(action === 'pause' ? {} : { letGo: () => watched.dispose() }),
  };
}
