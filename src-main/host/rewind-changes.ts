import { StatusError } from '#api/machinery/status';
import type { WriteRecord } from '#base/cause';
import type { Context } from '#base/context';
import { Pacer } from '#base/pacer';
import { revision, type EtcdClient, type StoreEvent } from '#etcd/client';
import type { RewindChange, RewindChanges, RewindStep, RewindWrite } from '#contract/rewind';
import { momentOf, readBounds, readMoment, readRecords, withTimes } from './rewind-moments.ts';
import { decodeObject, resourceOfKey } from './rewind-objects.ts';
import { fromStore } from './store-errors.ts';

/** Ends an answer early, so that none is larger than a screen needs at once. */
const maxSteps = 512;
const maxBytes = 4 * 2 ** 20;
/** Keys that are the store client's own book-keeping. */
const ownPrefix = '/drydock.io/';

export interface ChangesRequest {
  readonly from: number;
  readonly to: number;
  readonly before?: boolean;
}

/** What each revision did, in order. Throws StatusError Expired, BadRequest for revisions that are not there. */
export async function readChanges(context: Context, etcd: EtcdClient, request: ChangesRequest): Promise<RewindChanges> {
  const { oldest, newest } = await readBounds(context, etcd);
  const to = Math.min(request.to, newest, request.from + maxSteps - 1);
  if (request.from > request.to || request.from > newest + 1)
    throw new StatusError('BadRequest', `there are no revisions ${request.from} to ${request.to} yet`);
  if (request.from <= oldest)
    throw new StatusError('Expired', `revision ${request.from - 1} is compacted; the oldest kept is ${oldest}`);
  const base = await readMoment(context, etcd, request.from - 1);
  if (request.from > to) return { base, steps: [], newestRevision: newest };
  const written = await readRecords(context, etcd, request.from, to);
  const records = new Map(written.map((one) => [one.revision, one.record]));
  const steps = await readSteps(context, etcd, { ...request, to }, records);
  return { base, steps: withTimes(steps, base), newestRevision: newest };
}

async function readSteps(
  context: Context,
  etcd: EtcdClient,
  range: ChangesRequest,
  records: ReadonlyMap<number, WriteRecord>,
): Promise<readonly RewindStep[]> {
  const pacer = new Pacer();
  const steps: RewindStep[] = [];
  for (const events of await readEvents(context, etcd, range)) {
    const at = events[0]?.kv.modRevision ?? 0;
    steps.push(stepOf(at, events, records.get(at), range.before === true));
    if (pacer.due) await pacer.pace();
  }
  return steps;
}

/** By revision. Nothing is worked on while the watch is open, because the store reads on ahead for as long as it is. */
async function readEvents(
  context: Context,
  etcd: EtcdClient,
  { from, to }: ChangesRequest,
): Promise<readonly (readonly StoreEvent[])[]> {
  const scope = context.withCancel();
  const everything = { key: '\0', rangeEnd: '\0', prevKv: true, startRevision: revision(from), name: 'rewind' };
  const found: (readonly StoreEvent[])[] = [];
  let bytes = 0;
  try {
    const responses = etcd.watch(scope.context, everything).responses[Symbol.asyncIterator]();
    for (;;) {
      const next = await fromStore(responses.next());
      if (next.done === true)
        throw new StatusError('ServiceUnavailable', 'the store stopped while its history was read');
      for (const events of byRevision(next.value.events)) {
        const at = events[0]?.kv.modRevision ?? 0;
        if (at > to || bytes > maxBytes) return found;
        bytes += events.reduce((sum, event) => sum + event.kv.value.byteLength, 0);
        found.push(events);
        if (at === to) return found;
      }
    }
  } finally {
    scope.cancel();
  }
}

function* byRevision(events: readonly StoreEvent[]): Generator<readonly StoreEvent[]> {
  let group: StoreEvent[] = [];
  for (const event of events) {
    if (group[0] && group[0].kv.modRevision !== event.kv.modRevision) {
      yield group;
      group = [];
    }
    group.push(event);
  }
  if (group.length > 0) yield group;
}

function stepOf(
  at: number,
  events: readonly StoreEvent[],
  record: WriteRecord | undefined,
  before: boolean,
): RewindStep {
  const moment = record ? momentOf(at, record) : { revision: at, exact: false };
  const writes = events.filter((event) => !event.kv.key.startsWith(ownPrefix)).map(writeOf);
  return { ...moment, writes, changes: events.flatMap((event) => changesOf(event, before)) };
}

function writeOf({ type, kv }: StoreEvent): RewindWrite {
  return { type, key: kv.key, size: kv.value.byteLength, created: type === 'PUT' && kv.version === 1 };
}

/** Two for a key whose object was replaced by another one in one revision. */
function changesOf(event: StoreEvent, wantsBefore: boolean): readonly RewindChange[] {
  const resource = resourceOfKey(event.kv.key);
  if (!resource) return [];
  const after = event.type === 'PUT' ? decodeObject(event.kv) : undefined;
  const replaces = wantsBefore || !after;
  const before = replaces && event.prevKv ? decodeObject(event.prevKv) : undefined;
  const [was, is] = [before?.metadata.uid, after?.metadata.uid];
  const kept = wantsBefore && before ? { before } : {};
  if (after && is !== undefined && (was === undefined || was === is)) return [{ resource, uid: is, ...kept, after }];
  const removed = before && was !== undefined ? [{ resource, uid: was, ...kept }] : [];
  return after && is !== undefined ? [...removed, { resource, uid: is, after }] : removed;
}
