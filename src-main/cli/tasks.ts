import type { Task } from '#contract/labs';
import type { ControlClient } from '#host/control-client';
import type { Progress } from './progress.ts';
import { showSteps } from './progress.ts';

/** Shows the steps of a longer task of the host while `work` waits for its end. */
export async function followTask<T>(
  host: ControlClient,
  lab: string,
  kind: Task['kind'],
  progress: Progress,
  work: () => Promise<T>,
): Promise<T> {
  const stream = host.watch('tasks', { lab });
  const watching = (async (): Promise<void> => {
    for await (const event of stream) {
      if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue;
      const { object: task } = event;
      if (task.kind === kind && task.state === 'running') showSteps(progress, task.steps);
    }
  })();
  try {
    return await work();
  } finally {
    await stream.return(undefined);
    await watching.catch(() => undefined);
    progress.finish();
  }
}
