/**
 * The program that the kill test kills: writes to the store at argv[2] until then. Each line on stdout tells one thing that it was told
 * or shown, as JSON (see {@link Told}); the first one what the store had when it was opened.
 */
import { writeSync } from 'node:fs';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { revision as toRevision, type LeaseId, type Operation } from '#etcd/client';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';

export const writers = 8;
/** What one transaction writes, all with one value. */
export const parts = ['a', 'b', 'c'] as const;
export const keyOf = (writer: number, part: string): string => `/writer/${writer}/${part}`;

/** A key and what it holds. */
export interface Found {
  readonly key: string;
  readonly value: string;
  readonly revision: number;
  readonly lease: string;
}

export type Told =
  | {
      readonly type: 'opened';
      readonly revision: number;
      readonly compacted: number;
      readonly found: readonly Found[];
      readonly leases: readonly string[];
      /** What is kept beside the newest revisions. */
      readonly records: readonly { readonly revision: number; readonly record: string }[];
    }
  | { readonly type: 'written'; readonly writer: number; readonly value: string; readonly revision: number }
  | { readonly type: 'shown'; readonly events: readonly Found[] }
  | { readonly type: 'granted'; readonly lease: string }
  | { readonly type: 'revoking'; readonly lease: string }
  | { readonly type: 'revoked'; readonly lease: string }
  | { readonly type: 'compacted'; readonly revision: number }
  | { readonly type: 'defragmented' };

const tell = (told: Told): void => void writeSync(1, `${JSON.stringify(told)}\n`);
const context = Context.background();
const everything = { key: '/', rangeEnd: '0' };
const longTtlSeconds = 100_000;

async function tellOpened(etcd: EmbeddedEtcd): Promise<void> {
  const { kvs, revision } = await etcd.range(context, everything);
  const { compactRevision } = await etcd.status(context);
  const found = kvs.map((kv): Found => {
    const { key, value, modRevision, lease } = kv;
    return { key, value: Buffer.from(value).toString(), revision: modRevision, lease: String(lease) };
  });
  const records = await etcd.records(context, revision, revision);
  const leases = (await etcd.leases(context)).map(String);
  tell({ type: 'opened', revision, compacted: compactRevision, found, leases, records });
}

/** Each transaction says in its value which one it is: `<round>.<number>`. */
async function write(etcd: EmbeddedEtcd, round: string, writer: number): Promise<never> {
  for (let i = 1; ; i++) {
    const value = `${round}.${i}`;
    const success = parts.map((part): Operation => ({
      type: 'put',
      key: keyOf(writer, part),
      value: Buffer.from(value.padEnd(200)),
    }));
    const { revision } = await etcd.txn(context, { compare: [], success, failure: [], record: `${writer} ${value}` });
    tell({ type: 'written', writer, value, revision });
  }
}

async function watch(etcd: EmbeddedEtcd): Promise<void> {
  for await (const { events } of etcd.watch(context, everything).responses) {
    const shown = events.map(({ kv }): Found => {
      return {
        key: kv.key,
        value: Buffer.from(kv.value).toString(),
        revision: kv.modRevision,
        lease: String(kv.lease),
      };
    });
    tell({ type: 'shown', events: shown });
  }
}

/** Grants leases with a key each and revokes every other one. */
async function lease(etcd: EmbeddedEtcd): Promise<never> {
  let last: LeaseId | undefined;
  for (;;) {
    const { id } = await etcd.leaseGrant(context, longTtlSeconds);
    tell({ type: 'granted', lease: String(id) });
    const put: Operation = { type: 'put', key: `/lease/${id}`, value: Buffer.from('held'), lease: id };
    await etcd.txn(context, { compare: [], success: [put], failure: [] });
    if (last !== undefined) {
      tell({ type: 'revoking', lease: String(last) });
      await etcd.leaseRevoke(context, last);
      tell({ type: 'revoked', lease: String(last) });
    }
    last = last === undefined ? id : undefined;
  }
}

async function tidy(etcd: EmbeddedEtcd): Promise<never> {
  for (;;) {
    const { revision, compactRevision } = await etcd.status(context);
    const at = revision - 40;
    if (at > compactRevision) {
      await etcd.compact(context, toRevision(at));
      tell({ type: 'compacted', revision: at });
    }
    await etcd.maintenance.defragment(context);
    tell({ type: 'defragmented' });
  }
}

async function main(path: string, round: string): Promise<void> {
  const etcd = await EmbeddedEtcd.open({ path, clock: new RealClock(), logger: silentLogger });
  await tellOpened(etcd);
  const writing = Array.from({ length: writers }, (_, writer) => write(etcd, round, writer));
  await Promise.all([...writing, watch(etcd), lease(etcd), tidy(etcd)]);
}

const [, , path, round] = process.argv;
if (path !== undefined && round !== undefined) await main(path, round);
