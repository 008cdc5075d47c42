import type { ExecSession } from '#base/streams';
import { MachineError } from '../errors.ts';
import type { MachineWatch } from '../machine.ts';

/**
 * The near end of `agent.sh guard`. Resolves when the far end says that it listens; throws MachineError when it does not.
 * `ended` waits until the machine is reached again.
 */
export async function watchThrough(
  session: ExecSession,
  machine: string,
  untilUp: () => Promise<void>,
): Promise<MachineWatch> {
  const first = await session.stdout[Symbol.asyncIterator]().next();
  if (first.done)
    throw new MachineError(
      'FAILED',
      `${machine} cannot watch over itself, so nothing was broken: its guard did not start`,
    );
  let dropped: Promise<void> | undefined;
  // A lost connection rejects: that is an end as well.
  const over = session.exit.then(
    () => undefined,
    () => undefined,
  );
  const drop = async (): Promise<void> => {
    try {
      await session.stdin?.write(new TextEncoder().encode('drop\n'));
      session.stdin?.end();
    } catch {
      // The guard ended before: there is nobody to be told.
    }
    await over;
  };
  return {
    ended: new Promise((resolve) => void over.then(async () => dropped === undefined && resolve(await untilUp()))),
    drop: () => (dropped ??= drop()),
  };
}
