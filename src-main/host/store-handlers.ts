import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { RunningLab } from '#cluster/lab-view';
import type { LabName } from '#contract/calls';
import type { ProgressStep } from '#contract/labs';
import type { StoreUpkeep } from '#contract/store';
import type { ContractHandlers } from './handlers.ts';
import { storeAccess, type Labs } from './labs.ts';
import { readHistory } from './store-history.ts';
import { readLevel } from './store-level.ts';
import { searchStore } from './store-search.ts';
import {
  compactStore,
  defragmentStore,
  readLeases,
  readStatus,
  readWatchers,
  type StoreSource,
} from './store-status.ts';
import { readKey, storeStream } from './store-view.ts';
import type { Tasks } from './tasks.ts';

export interface StoreHandlersOptions {
  readonly labs: Labs;
  readonly tasks: Tasks;
  readonly clock: Clock;
}

type StoreCalls = Pick<ContractHandlers['calls'], Extract<keyof ContractHandlers['calls'], `store.${string}`>>;
type StoreWatches = Pick<ContractHandlers['watches'], 'store' | 'store.search'>;

/** What the store's window asks. Everything goes through EtcdClient and EtcdMaintenance, so that any store will do. */
export function storeCalls({ labs, tasks, clock }: StoreHandlersOptions): StoreCalls {
  const etcdOf = ({ lab }: LabName): RunningLab['etcd'] => labs.running(lab).etcd;
  const sourceOf = ({ lab }: LabName): StoreSource => storeSource(labs.running(lab));
  return {
    'store.get': async (context, request) => readKey(context, etcdOf(request), request),
    'store.level': async (context, request) => readLevel(context, etcdOf(request), request),
    'store.history': async (context, request) => readHistory(context, etcdOf(request), request),
    'store.leases': async (context, request) => readLeases(context, etcdOf(request), clock),
    'store.watchers': async (context, request) =>
      readWatchers(context, sourceOf(request), labs.running(request.lab).apiWatches(), clock),
    'store.status': async (context, request) => readStatus(context, sourceOf(request)),
    'store.compact': async (context, request) => compact(context, sourceOf(request), request, tasks, clock),
    'store.defragment': async (context, request) => defragment(context, sourceOf(request), request.lab, tasks, clock),
  };
}

export function storeWatches({ labs }: StoreHandlersOptions): StoreWatches {
  return {
    store: (context, request) => storeStream(context, labs.running(request.lab).etcd, request),
    'store.search': (context, request) => searchStore(context, labs.running(request.lab).etcd, request),
  };
}

function storeSource({ etcd, etcdAccess, store }: RunningLab): StoreSource {
  return { etcd, maintenance: store.maintenance, kind: store.kind, access: storeAccess(etcdAccess) };
}

function compact(
  context: Context,
  source: StoreSource,
  { lab, revision }: LabName & { readonly revision?: number },
  tasks: Tasks,
  clock: Clock,
): Promise<StoreUpkeep> {
  const subject = revision === undefined ? 'now' : String(revision);
  const text = revision === undefined ? 'Giving up all history' : `Giving up history before revision ${revision}`;
  return tasks.run(lab, { kind: 'store-compact', subject }, async (onSteps) => {
    const step = (state: ProgressStep['state']): void => onSteps([{ text, state }]);
    step('running');
    const done = await compactStore(context, source, revision, clock);
    step('done');
    return done;
  });
}

function defragment(
  context: Context,
  source: StoreSource,
  lab: string,
  tasks: Tasks,
  clock: Clock,
): Promise<StoreUpkeep> {
  return tasks.run(lab, { kind: 'store-defragment', subject: source.kind }, async (onSteps) => {
    const { members } = await readStatus(context, source);
    const endpoints = members.filter((member) => member.error === undefined).map((member) => member.endpoint);
    const done = new Set<string>();
    const tell = (): void =>
      onSteps(
        endpoints.map((endpoint, at) => ({
          text: `Rewriting the data of ${endpoint}`,
          state: done.has(endpoint) ? 'done' : at === done.size ? 'running' : 'waiting',
        })),
      );
    tell();
    return defragmentStore(context, source, endpoints, (endpoint) => (done.add(endpoint), tell()), clock);
  });
}
