import type { Context } from '#base/context';
import { inspectSnapshot } from '#cluster/snapshots/restore';
import type { CallRequest, LabName } from '#contract/calls';
import type { LabSnapshot } from '#contract/labs';
import type { ContractHandlers } from './handlers.ts';
import type { Labs } from './labs.ts';
import type { Tasks } from './tasks.ts';

export interface SnapshotCallsOptions {
  readonly labs: Labs;
  readonly tasks: Tasks;
  readonly version: string;
}

/** Whole labs to files and back. Throw ClusterError. */
export function snapshotCalls(
  options: SnapshotCallsOptions,
): Pick<ContractHandlers['calls'], 'snapshot.save' | 'snapshot.restore' | 'snapshot.inspect'> {
  return {
    'snapshot.save': (context, request) => save(context, options, request),
    'snapshot.restore': (context, request) => restore(context, options, request),
    'snapshot.inspect': (_context, { file }) => inspectSnapshot(file),
  };
}

function save(
  context: Context,
  { labs, tasks, version }: SnapshotCallsOptions,
  { lab, file }: CallRequest<'snapshot.save'>,
): Promise<LabSnapshot> {
  return tasks.run(lab, { kind: 'snapshot-save', subject: file }, (onSteps) =>
    labs.saveSnapshot(context, lab, { file, version, onSteps }),
  );
}

async function restore(
  context: Context,
  { labs, tasks }: SnapshotCallsOptions,
  { file, name }: CallRequest<'snapshot.restore'>,
): Promise<LabName> {
  const lab = name ?? (await inspectSnapshot(file)).lab;
  await tasks.run(lab, { kind: 'snapshot-restore', subject: file }, (onSteps) =>
    labs.restoreSnapshot(context, { file, name: lab, onSteps }),
  );
  return { lab };
}
