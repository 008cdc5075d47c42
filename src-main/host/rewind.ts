import type { RunningLab } from '#cluster/lab-view';
import type { LabName } from '#contract/calls';
import type { ContractHandlers } from './handlers.ts';
import type { Labs } from './labs.ts';
import { readChanges } from './rewind-changes.ts';
import { readRange } from './rewind-moments.ts';
import { rewindState } from './rewind-state.ts';
import { rewindWrites } from './rewind-writes.ts';

type RewindCalls = Pick<ContractHandlers['calls'], 'rewind.range' | 'rewind.changes'>;
type RewindWatches = Pick<ContractHandlers['watches'], 'rewind.state' | 'rewind.writes'>;

/** A lab as it was: reads of past revisions through EtcdClient, so that any store will do. Nothing here writes. */
export function rewindCalls(labs: Labs): RewindCalls {
  const etcdOf = ({ lab }: LabName): RunningLab['etcd'] => labs.running(lab).etcd;
  return {
    'rewind.range': async (context, request) => readRange(context, etcdOf(request)),
    'rewind.changes': async (context, request) => readChanges(context, etcdOf(request), request),
  };
}

export function rewindWatches(labs: Labs): RewindWatches {
  return {
    'rewind.state': (context, { lab, revision }) => rewindState(context, labs.running(lab).etcd, revision),
    'rewind.writes': (context, request) => rewindWrites(context, labs.running(request.lab).etcd, request),
  };
}
