import { resolve } from 'node:path';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { ClusterError } from '#cluster/errors';
import type { Home } from '#cluster/home';
import { loadLabConfig } from '#cluster/lab-config';
import type { LabStep } from '#cluster/lab-view';
import { inspectSnapshot, restoreSnapshot } from '#cluster/snapshots/restore';
import { saveSnapshot } from '#cluster/snapshots/save';
import type { LabSnapshot } from '#contract/labs';
import { version } from '#host/open-host';
import { withHost } from './host-access.ts';
import type { Arguments } from './options.ts';
import type { Terminal } from './output.ts';
import { createProgress, showSteps, type Progress } from './progress.ts';
import { followTask } from './tasks.ts';

/** `drydock snapshot save|restore|show FILE`, also while no host runs. Returns the exit code. */
export async function runSnapshot(verb: string, home: Home, args: Arguments, terminal: Terminal): Promise<number> {
  const file = resolve(args.positionals[0] ?? '');
  if (verb === 'show') {
    const snapshot = await inspectSnapshot(file);
    terminal.out(args.flag('json') ? JSON.stringify(snapshot, null, 2) : renderSnapshot(snapshot));
    return 0;
  }
  const progress = createProgress(process.stderr, new RealClock());
  if (verb === 'save') {
    const lab = args.text('name') ?? 'lab';
    const saved = await save(home, lab, file, progress);
    terminal.error(
      `lab ${lab} is saved in ${file} (${megabytes(saved)} MB), with its private keys: keep it as you keep those`,
    );
    return 0;
  }
  const lab = await restore(home, file, args.text('name'), progress);
  terminal.error(`lab ${lab} is restored; 'drydock up --name ${lab}' starts it`);
  return 0;
}

async function save(home: Home, lab: string, file: string, progress: Progress): Promise<LabSnapshot> {
  const saved = await withHost(home, (host) =>
    followTask(host, lab, 'snapshot-save', progress, () => host.call('snapshot.save', { lab, file })),
  );
  if (saved) return saved;
  return alone(home, progress, (onSteps) => {
    const folder = home.labFolder(lab);
    const config = loadLabConfig(folder);
    if (!config) throw new ClusterError('LAB_MISSING', `there is no lab ${lab} in ${home.path}`);
    const clock = new RealClock();
    return saveSnapshot(Context.background(), { config, folder, file, version, clock, running: undefined, onSteps });
  });
}

async function restore(home: Home, file: string, wanted: string | undefined, progress: Progress): Promise<string> {
  const name = wanted ?? (await inspectSnapshot(file)).lab;
  const restored = await withHost(home, (host) =>
    followTask(host, name, 'snapshot-restore', progress, () => host.call('snapshot.restore', { file, name })),
  );
  if (restored) return restored.lab;
  await alone(home, progress, (onSteps) => restoreSnapshot(Context.background(), { home, file, name, onSteps }));
  return name;
}

/** Does it in this process, which holds the home meanwhile. */
async function alone<T>(
  home: Home,
  progress: Progress,
  work: (onSteps: (steps: readonly LabStep[]) => void) => Promise<T>,
): Promise<T> {
  home.prepare();
  const lock = home.lock();
  try {
    return await work((steps) => showSteps(progress, steps));
  } finally {
    progress.finish();
    lock.release();
  }
}

function renderSnapshot(snapshot: LabSnapshot): string {
  const { lab, driver, masters, workers, createdAtMs, version: maker } = snapshot;
  return [
    `lab      ${lab}`,
    `nodes    ${masters} ${masters === 1 ? 'master' : 'masters'}, ${workers} ${workers === 1 ? 'worker' : 'workers'} (${driver})`,
    `saved    ${new Date(createdAtMs).toISOString()} by Drydock ${maker}`,
    `size     ${megabytes(snapshot)} MB`,
  ].join('\n');
}

function megabytes({ files }: LabSnapshot): string {
  return (files.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20).toFixed(1);
}
