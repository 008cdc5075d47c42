import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect } from 'vitest';
import {
  EtcdError,
  revision,
  type Compare,
  type EtcdClient,
  type Operation,
  type RangeRequest,
  type Revision,
  type TxnRequest,
  type Watcher,
} from '#etcd/client';
import { bytes, context, everything } from './harness.ts';
import { NaiveStore, Refusal, type NaiveEvent } from './naive-store.ts';

/** A revision somewhere between the one before the history and the next one. */
type At = { readonly share: number };
type Step =
  | { readonly type: 'txn'; readonly request: (at: (share: At) => Revision) => TxnRequest }
  | { readonly type: 'grant' | 'revoke'; readonly id: bigint }
  | { readonly type: 'compact'; readonly at: At }
  | { readonly type: 'range'; readonly request: (at: (share: At) => Revision) => RangeRequest }
  | {
      readonly type: 'watch';
      readonly keys: { key: string; rangeEnd?: string };
      readonly from: At;
      readonly no?: 'put' | 'delete';
    };

const names = ['a', 'a/1', 'a/2', 'b', 'b/é', 'c'];
const leaseIds = [5n, 2n ** 60n + 1n];
const key = fc.constantFrom(...names);
const value = fc.constantFrom('', 'x', 'y', 'zz');
const lease = fc.constantFrom(0n, 0n, 0n, ...leaseIds);
const at: fc.Arbitrary<At> = fc.record({ share: fc.integer({ min: 0, max: 16 }).map((n) => n / 16) });
const keys = fc.oneof(
  { weight: 3, arbitrary: fc.record({ key }) },
  { weight: 3, arbitrary: fc.record({ key, rangeEnd: key }) },
  { weight: 1, arbitrary: fc.record({ key, rangeEnd: fc.constant('\0') }) },
  { weight: 1, arbitrary: fc.constant(everything) },
);
const result = fc.constantFrom('=' as const, '!=' as const, '<' as const, '>' as const);

type Asked<T> = (at: (share: At) => Revision) => T;

const put: fc.Arbitrary<Asked<Operation>> = fc
  .tuple(key, value, lease, fc.boolean(), fc.constantFrom('none', 'none', 'none', 'value', 'lease'))
  .map(([name, text, id, prevKv, keep]) => () => ({
    type: 'put',
    key: name,
    value: bytes(keep === 'value' ? '' : text),
    prevKv,
    lease: keep === 'lease' ? 0n : id,
    ignoreValue: keep === 'value',
    ignoreLease: keep === 'lease',
  }));
const deletion: fc.Arbitrary<Asked<Operation>> = fc
  .tuple(keys, fc.boolean())
  .map(([range, prevKv]) => () => ({ type: 'delete', ...range, prevKv }));

const sort = fc.record({
  order: fc.constantFrom('ascend' as const, 'descend' as const),
  target: fc.constantFrom('key' as const, 'version' as const, 'create' as const, 'mod' as const, 'value' as const),
});
const rangeRequest: fc.Arbitrary<Asked<RangeRequest>> = fc
  .record({
    range: keys,
    past: fc.option(at),
    limit: fc.constantFrom(0, 0, 1, 2, 3),
    sort: fc.option(sort, { freq: 2 }),
    bound: fc.option(
      fc.tuple(fc.constantFrom('minModRevision', 'maxModRevision', 'minCreateRevision', 'maxCreateRevision'), at),
    ),
    only: fc.constantFrom({}, {}, { keysOnly: true }, { countOnly: true }),
  })
  .map(({ range, past, limit, sort: order, bound, only }) => (resolve) => ({
    ...range,
    limit,
    ...only,
    ...(past ? { revision: resolve(past) } : {}),
    ...(order ? { sort: order } : {}),
    ...(bound ? { [bound[0]]: resolve(bound[1]) } : {}),
  }));
const read: fc.Arbitrary<Asked<Operation>> = rangeRequest.map((asked) => (resolve) => ({
  type: 'range',
  ...asked(resolve),
}));

const compare: fc.Arbitrary<Asked<Compare>> = fc
  .tuple(
    keys,
    result,
    fc.constantFrom('mod', 'create', 'version', 'lease', 'value'),
    at,
    value,
    lease,
    fc.nat({ max: 2 }),
  )
  .map(([range, sign, target, share, text, id, version]) => (resolve): Compare => {
    const common = { ...range, result: sign };
    switch (target) {
      case 'mod':
        return { ...common, target: 'mod', modRevision: resolve(share) };
      case 'create':
        return { ...common, target: 'create', createRevision: resolve(share) };
      case 'version':
        return { ...common, target: 'version', version };
      case 'lease':
        return { ...common, target: 'lease', lease: id };
      default:
        return { ...common, target: 'value', value: bytes(text) };
    }
  });

function txn(operation: fc.Arbitrary<Asked<Operation>>): fc.Arbitrary<Asked<TxnRequest>> {
  return fc
    .tuple(
      fc.array(compare, { maxLength: 1 }),
      fc.array(operation, { maxLength: 3 }),
      fc.array(operation, { maxLength: 1 }),
    )
    .map(([compares, success, failure]) => (resolve) => ({
      compare: compares.map((one) => one(resolve)),
      success: success.map((one) => one(resolve)),
      failure: failure.map((one) => one(resolve)),
    }));
}

const flat = fc.oneof(
  { weight: 5, arbitrary: put },
  { weight: 2, arbitrary: deletion },
  { weight: 1, arbitrary: read },
);
const nested = txn(flat).map((asked): Asked<Operation> => (resolve) => ({ type: 'txn', ...asked(resolve) }));
const operation = fc.oneof({ weight: 9, arbitrary: flat }, { weight: 1, arbitrary: nested });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ type: fc.constant('txn' as const), request: txn(operation) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('grant' as const), id: fc.constantFrom(...leaseIds) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('revoke' as const), id: fc.constantFrom(...leaseIds) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('compact' as const), at }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('range' as const), request: rangeRequest }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(keys, at, fc.constantFrom(undefined, undefined, 'put' as const, 'delete' as const))
      .map(([range, from, no]) => ({ type: 'watch' as const, keys: range, from, ...(no ? { no } : {}) })),
  },
);

/** A history of puts, deletions, transactions, reads at revisions, compactions, leases and watches. */
export const histories = fc.array(step, { minLength: 1, maxLength: 10 });

export interface PlayOptions {
  readonly compacted: number;
  /** Transactions are sent without waiting for the one before: they share flushes then. */
  readonly pipelined?: boolean;
  /** The store is real etcd, which is spared what would end it. */
  readonly isReal?: boolean;
}

/**
 * Plays a history on the store, which is wiped first, and on the model; throws where they differ.
 */
export async function play(
  client: EtcdClient,
  steps: readonly Step[],
  { compacted, pipelined = false, isReal = false }: PlayOptions,
): Promise<NaiveStore> {
  for (const id of leaseIds) await client.leaseRevoke(context, id).catch(() => undefined);
  const wiped = await client.txn(context, { compare: [], success: [{ type: 'delete', ...everything }], failure: [] });
  const base = wiped.revision;
  const model = new NaiveStore(base, compacted);
  // A watch that is not read until the end; over a network, a compaction may overtake it.
  const live = isReal ? undefined : client.watch(context, { ...everything, startRevision: revision(base + 1) });
  const under = new Set<Promise<void>>();
  const settle = async (): Promise<void> => {
    await Promise.all(under);
    under.clear();
  };
  const resolve = ({ share }: At): Revision => revision(base + Math.round(share * (model.revision - base + 1)));
  try {
    for (const one of steps) {
      const check = playStep({ client, model, base, isReal, resolve, settle }, one);
      under.add(check);
      // Only transactions are carried out in the order of the calls.
      if (!pipelined || one.type !== 'txn') await settle();
    }
    await settle();
    const all = model
      .events(base + 1, everything)
      .map(([type, name, main]): NaiveEvent => [type, name, main, undefined]);
    if (live) await compareEvents(live, model.revision, all);
    await compareContents(client, model, base);
  } finally {
    await Promise.allSettled(under);
    live?.close();
  }
  return model;
}

interface Game {
  readonly client: EtcdClient;
  readonly model: NaiveStore;
  readonly base: number;
  readonly isReal: boolean;
  readonly resolve: (at: At) => Revision;
  /** Waits for the answers so far. */
  readonly settle: () => Promise<void>;
}

async function playStep({ client, model, base, isReal, resolve, settle }: Game, one: Step): Promise<void> {
  if (one.type === 'txn') {
    const request = one.request(resolve);
    const expected = expectedOf(() => model.txn(request));
    if (expected instanceof Refusal && expected.panics && isReal) return;
    return same(client.txn(context, request), expected);
  }
  await settle();
  switch (one.type) {
    case 'range': {
      const request = one.request(resolve);
      return same(
        client.range(context, request),
        expectedOf(() => model.range(request)),
      );
    }
    case 'compact': {
      const line = resolve(one.at);
      return same(
        client.compact(context, line),
        expectedOf(() => model.compact(line)),
      );
    }
    case 'grant':
      return same(
        client.leaseGrant(context, 1_000_000, one.id).then(() => undefined),
        expectedOf(() => model.grant(one.id)),
      );
    case 'revoke':
      return same(
        client.leaseRevoke(context, one.id),
        expectedOf(() => model.revoke(one.id)),
      );
    case 'watch':
      return playWatch(client, model, one, Math.max(resolve(one.from), model.compacted, base + 1));
  }
}

async function playWatch(
  client: EtcdClient,
  model: NaiveStore,
  { keys: range, no }: Extract<Step, { type: 'watch' }>,
  from: number,
): Promise<void> {
  const isEmpty = range.rangeEnd !== undefined && range.rangeEnd !== '\0' && range.rangeEnd <= range.key;
  if (isEmpty) return;
  const filters = { noPut: no === 'put', noDelete: no === 'delete' };
  const watcher = client.watch(context, { ...range, startRevision: revision(from), prevKv: true, ...filters });
  const left = no && ({ put: 'PUT', delete: 'DELETE' } as const)[no];
  const expected = model.events(from, range).filter(([type]) => type !== left);
  await compareEvents(watcher, model.revision, expected).finally(() => watcher.close());
}

function expectedOf<T>(run: () => T): T | Refusal {
  try {
    return run();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

async function same(answer: Promise<unknown>, expected: unknown): Promise<void> {
  const found = await answer.then(plain, (error: unknown) => {
    if (error instanceof EtcdError) return new Refusal(error.code);
    throw error;
  });
  const isSame =
    found instanceof Refusal && expected instanceof Refusal
      ? found.code === expected.code
      : isDeepStrictEqual(found, expected);
  if (!isSame) expect(found).toEqual(expected);
}

/** With texts in place of bytes. */
function plain(item: unknown): unknown {
  if (item instanceof Uint8Array) return Buffer.from(item.buffer, item.byteOffset, item.byteLength).toString();
  if (Array.isArray(item)) return item.map(plain);
  if (typeof item !== 'object' || item === null) return item;
  return Object.fromEntries(Object.entries(item).map(([name, inner]: [string, unknown]) => [name, plain(inner)]));
}

/** What a watch delivers up to the revision `last`: up to a progress note. */
async function compareEvents(watcher: Watcher, last: number, expected: readonly NaiveEvent[]): Promise<void> {
  const found: NaiveEvent[] = [];
  watcher.requestProgress();
  for await (const response of watcher.responses) {
    for (const { type, kv, prevKv } of response.events) {
      found.push([type, kv.key, kv.modRevision, prevKv && Buffer.from(prevKv.value).toString()]);
    }
    if (response.events.length === 0 && response.revision >= last) break;
  }
  if (!isDeepStrictEqual(found, expected)) expect(found).toEqual(expected);
}

/** Every revision that can still be read. */
async function compareContents(client: EtcdClient, model: NaiveStore, base: number): Promise<void> {
  const reads: Promise<void>[] = [];
  for (let past = Math.max(base, model.compacted); past <= model.revision; past++) {
    const request = { ...everything, revision: revision(past) };
    reads.push(same(client.range(context, request), model.range(request)));
  }
  await Promise.all(reads);
}
