import { StatusError } from '#api/machinery/status';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { leaseText, revision, type EtcdClient, type LeaseStatus } from '#etcd/client';
import type { EtcdMaintenance, MemberStatus, WatcherStatus } from '#etcd/maintenance';
import type {
  ApiWatch,
  StoreAccess,
  StoreLease,
  StoreLeases,
  StoreStatus,
  StoreUpkeep,
  StoreWatcher,
  StoreWatchers,
} from '#contract/store';
import { fromStore, storeStatusError } from './store-errors.ts';

/** A lab's store as its window needs it, whichever it is. */
export interface StoreSource {
  readonly kind: StoreStatus['kind'];
  readonly etcd: EtcdClient;
  /** Undefined while the store is down. */
  readonly maintenance?: EtcdMaintenance | undefined;
  readonly access: StoreAccess;
}

/** Leases told at once, keys told of each, and questions to the store at the same time. */
const maxLeases = 1000;
const maxLeaseKeys = 1000;
const leasesAtOnce = 16;

export async function readStatus(context: Context, source: StoreSource): Promise<StoreStatus> {
  const { kind, etcd, access } = source;
  const maintenance = maintenanceOf(source);
  const members = await fromStore(maintenance.members(context));
  const [status, alarms] = await Promise.all([etcd.status(context), maintenance.alarms(context)]).catch(
    (error: unknown) => {
      throw withMembers(storeStatusError(error), members);
    },
  );
  const { revision: now, compactRevision, keys, dbSizeBytes, dbSizeInUseBytes } = status;
  return {
    ...{ kind, revision: now, compactRevision, keys, dbSizeBytes, dbSizeInUseBytes },
    members: members.map(({ clientUrls, peerUrls: _peerUrls, ...member }) => ({
      ...member,
      endpoint: clientUrls[0] ?? '',
    })),
    ...{ alarms, access },
  };
}

/** A store that does not answer as a whole may have members that do: which of them are away is why. */
function withMembers(error: StatusError, members: readonly MemberStatus[]): StatusError {
  const away = members.filter((member) => member.error !== undefined);
  if (away.length === 0) return error;
  const names = away.map((member) => member.name || member.clientUrls[0]).join(', ');
  const text = `${error.message} (${members.length - away.length} of ${members.length} members answer; away: ${names})`;
  return new StatusError(error.reason, text, undefined, { cause: error });
}

function maintenanceOf({ maintenance }: StoreSource): EtcdMaintenance {
  if (!maintenance) throw new StatusError('ServiceUnavailable', 'the store does not answer: etcd is not running');
  return maintenance;
}

/** The first to run out first; every lease is asked for its keys, a few at a time. */
export async function readLeases(context: Context, etcd: EtcdClient, clock: Clock): Promise<StoreLeases> {
  const ids = await fromStore(etcd.leases(context));
  const wanted = ids.slice(0, maxLeases);
  const leases: StoreLease[] = [];
  for (let at = 0; at < wanted.length; at += leasesAtOnce) {
    const some = wanted.slice(at, at + leasesAtOnce).map((id) => etcd.leaseTimeToLive(context, id));
    // One that ran out since is told with -1, or not at all.
    for (const result of await Promise.allSettled(some))
      if (result.status === 'fulfilled' && result.value.remainingTtlSeconds >= 0) leases.push(leaseOf(result.value));
    context.check();
  }
  leases.sort((a, b) => a.remainingTtlSeconds - b.remainingTtlSeconds);
  return { nowMs: clock.now(), leases, count: ids.length };
}

function leaseOf({ id, keys, grantedTtlSeconds, remainingTtlSeconds }: LeaseStatus): StoreLease {
  const some = keys.slice(0, maxLeaseKeys);
  return { id: leaseText(id), grantedTtlSeconds, remainingTtlSeconds, keys: some, keyCount: keys.length };
}

export async function readWatchers(
  context: Context,
  source: StoreSource,
  apiWatches: readonly ApiWatch[],
  clock: Clock,
): Promise<StoreWatchers> {
  const watchers = await fromStore(maintenanceOf(source).watchers(context));
  const complete = source.kind === 'embedded';
  return { nowMs: clock.now(), complete, apiWatches, ...(watchers ? { watchers: watchers.map(watcherOf) } : {}) };
}

function watcherOf({ id, ...watcher }: WatcherStatus): StoreWatcher {
  return { id: String(id), ...watcher };
}

/** Throws StatusError Expired when `at` is compacted already, BadRequest when it is yet to come. */
export async function compactStore(
  context: Context,
  source: StoreSource,
  at: number | undefined,
  clock: Clock,
): Promise<StoreUpkeep> {
  const { etcd } = source;
  return upkeep(context, etcd, clock, async (now) => {
    await etcd.compact(context, revision(at ?? now), { physical: true });
  });
}

/** Every member that answers, one after the other, so that the others go on serving. */
export async function defragmentStore(
  context: Context,
  source: StoreSource,
  endpoints: readonly string[],
  onDone: (endpoint: string) => void,
  clock: Clock,
): Promise<StoreUpkeep> {
  return upkeep(context, source.etcd, clock, async () => {
    for (const endpoint of endpoints) {
      await maintenanceOf(source).defragment(context, endpoint);
      onDone(endpoint);
    }
  });
}

async function upkeep(
  context: Context,
  etcd: EtcdClient,
  clock: Clock,
  work: (now: number) => Promise<void>,
): Promise<StoreUpkeep> {
  const startMs = clock.now();
  const before = await fromStore(etcd.status(context));
  await fromStore(work(before.revision));
  const after = await fromStore(etcd.status(context));
  return { before: sizesOf(before), after: sizesOf(after), elapsedMs: clock.now() - startMs };
}

function sizesOf(status: StoreUpkeep['before']): StoreUpkeep['before'] {
  const { compactRevision, dbSizeBytes, dbSizeInUseBytes } = status;
  return { compactRevision, dbSizeBytes, dbSizeInUseBytes };
}
