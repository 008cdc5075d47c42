import { existsSync, mkdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#base/clock';
import type { Disposable } from '#base/disposable';
import type { SupervisedProcess } from './supervisor-process.ts';

/**
 * Faults hold a program down by a file of its name here: `/run/drydock/hold/kubelet`. While the file is there, the program is
 * killed and not started again. The folder is in memory: a restarted node holds nothing.
 */
export const holdFolder = '/run/drydock/hold';

/** The kernel tells of files at once; looking again covers a folder that was replaced. */
const lookAgainMs = 2_000;

export function watchHolds(
  clock: Clock,
  processes: readonly Pick<SupervisedProcess, 'name' | 'hold'>[],
  folder: string = holdFolder,
): Disposable {
  mkdirSync(folder, { recursive: true });
  const look = (): void => {
    for (const supervised of processes) supervised.hold(existsSync(join(folder, supervised.name)));
  };
  const watcher = watch(folder, look);
  let timer: Disposable;
  const arm = (): void => {
    timer = clock.setTimer(lookAgainMs, () => {
      look();
      arm();
    });
  };
  look();
  arm();
  return {
    dispose: () => {
      watcher.close();
      timer.dispose();
    },
  };
}
