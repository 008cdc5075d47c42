import type { ProgressStep, Task } from '#contract/labs';
import type { StreamEvent } from '#contract/watches';
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
  try {
    const old = await known(stream);
    const watching = showTask(stream, (task) => task.kind === kind && !old.has(task.id), progress);
    watching.catch(() => undefined);
    const result = await work();
    // The answer may be here before the stream's last words.
    await watching;
    return result;
  } finally {
    await stream.return(undefined);
    progress.finish();
  }
}

/** The tasks that there were before. */
async function known(events: AsyncIterator<StreamEvent<Task>>): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (;;) {
    const { value: event, done } = await events.next();
    if (done || event.type === 'BOOKMARK') return ids;
    if (event.type === 'ADDED') ids.add(event.object.id);
  }
}

/** Until the first task that `isOurs` ends. */
async function showTask(
  events: AsyncIterator<StreamEvent<Task>>,
  isOurs: (task: Task) => boolean,
  progress: Progress,
): Promise<void> {
  const begun = new Set<string>();
  for (;;) {
    const { value: event, done } = await events.next();
    if (done) return;
    if ((event.type !== 'ADDED' && event.type !== 'MODIFIED') || !isOurs(event.object)) continue;
    const { steps, state } = event.object;
    showMissed(progress, steps, begun);
    if (state !== 'running') return;
    showSteps(progress, steps);
  }
}

/** A stream tells the newest state: a short step may have come and gone in between. */
function showMissed(progress: Progress, steps: readonly ProgressStep[], begun: Set<string>): void {
  for (const [index, step] of steps.entries()) {
    if (step.state === 'waiting' || begun.has(step.text)) continue;
    begun.add(step.text);
    progress.update(index, steps.length, step.text);
  }
}
