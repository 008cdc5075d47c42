import { Context } from '#base/context';
import type { InjectedFault } from '#machines/fault-book';
import type { Worker } from '../workers/worker.ts';

const quiet = (): void => undefined;
const never = new Promise<string>(() => undefined);

/** Stops, kills, freezes or restarts a whole machine. A restart is over when the machine is up again. */
export async function faultNodePower(
  context: Context,
  worker: Worker,
  action: 'stop' | 'kill' | 'pause' | 'restart',
  guard: () => { dispose(): void },
): Promise<InjectedFault> {
  const { name } = worker.config;
  const start = (): Promise<void> => worker.start(Context.background(), quiet);
  if (action === 'restart') {
    await worker.kill(context);
    return { text: `${name} restarts`, heal: start, ended: start().then(() => `${name} is up again`) };
  }
  const guarded = guard();
  try {
    if (action === 'stop') await worker.stop(context);
    else if (action === 'kill') await worker.kill(context);
    else await worker.pause(context);
  } catch (error) {
    guarded.dispose();
    throw error;
  }
  const done = { stop: 'was stopped', kill: 'lost power', pause: 'is frozen' }[action];
  return {
    text: `${name} ${done}`,
    ended: never,
    heal: async (life) => {
      if (action === 'pause') await worker.unpause(life);
      else await start();
      guarded.dispose();
    },
  };
}

