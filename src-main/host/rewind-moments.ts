import type { WriteRecord } from '#base/cause';
import type { Context } from '#base/context';
import { revision, type EtcdClient } from '#etcd/client';
import type { RewindMoment, RewindRange } from '#contract/rewind';
import { fromStore } from './store-errors.ts';

/** How far to look for a record that tells a time, in revisions to either side. */
const looks = [16, 256, 4096] as const;

/** Undefined when the revision has no record, or one that another program wrote. */
export function parseRecord(text: string | undefined): WriteRecord | undefined {
  if (!text) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    const known = typeof value === 'object' && value !== null && 'user' in value && 'request' in value;
    return known && 'timeMs' in value && typeof value.timeMs === 'number' ? (value as WriteRecord) : undefined;
  } catch {
    return undefined; // Written by a program that keeps something else there.
  }
}

/** In order of their revisions; those without a record are left out. */
export async function readRecords(
  context: Context,
  etcd: EtcdClient,
  from: number,
  to: number,
): Promise<readonly { readonly revision: number; readonly record: WriteRecord }[]> {
  const rows = await fromStore(etcd.records(context, revision(Math.max(1, from)), revision(to)));
  return rows.flatMap((row) => {
    const record = parseRecord(row.record);
    return record ? [{ revision: row.revision, record }] : [];
  });
}

/** The revisions that can be shown. */
export async function readBounds(context: Context, etcd: EtcdClient): Promise<{ oldest: number; newest: number }> {
  const status = await fromStore(etcd.status(context));
  return { oldest: Math.max(1, status.compactRevision), newest: Math.max(1, status.revision) };
}

export async function readRange(context: Context, etcd: EtcdClient): Promise<RewindRange> {
  const { oldest, newest } = await readBounds(context, etcd);
  return { oldest: await readMoment(context, etcd, oldest), newest: await readMoment(context, etcd, newest) };
}

/** When `at` was written, and by whom. Where it has no record its time is drawn between its neighbours' times. */
export async function readMoment(context: Context, etcd: EtcdClient, at: number): Promise<RewindMoment> {
  for (const look of looks) {
    const rows = await readRecords(context, etcd, at - look, at + look);
    const found = rows.find((row) => row.revision === at);
    if (found) return momentOf(at, found.record);
    const before = rows.filter((row) => row.revision < at).at(-1);
    const after = rows.find((row) => row.revision > at);
    const last = look === looks[looks.length - 1];
    if ((before && after) || (last && (before ?? after)))
      return { revision: at, timeMs: timeBetween(at, before ?? after, after ?? before), exact: false };
  }
  return { revision: at, exact: false };
}

export function momentOf(at: number, record: WriteRecord): RewindMoment {
  return { revision: at, timeMs: record.timeMs, exact: true, record };
}

type Dated = { readonly revision: number; readonly record: { readonly timeMs: number } };

function timeBetween(at: number, before: Dated | undefined, after: Dated | undefined): number {
  const [from, to] = [before ?? after, after ?? before];
  if (!from || !to) return 0;
  const span = to.revision - from.revision;
  const part = span === 0 ? 0 : (at - from.revision) / span;
  return Math.round(from.record.timeMs + part * (to.record.timeMs - from.record.timeMs));
}

/** Gives the moments that have no time one between their neighbours'; those after the last one that has one get its time. */
export function withTimes<M extends RewindMoment>(moments: readonly M[], base: RewindMoment): readonly M[] {
  const all = [base, ...moments];
  let before: Dated | undefined;
  let next = 0;
  const dated: M[] = [];
  for (const [index, moment] of all.entries()) {
    if (moment.timeMs !== undefined) before = { revision: moment.revision, record: { timeMs: moment.timeMs } };
    if (index === 0) continue;
    const own = moment as M;
    if (moment.timeMs !== undefined) dated.push(own);
    else {
      next = Math.max(next, index);
      while (next < all.length && all[next]?.timeMs === undefined) next++;
      const timeMs = all[next]?.timeMs;
      const after = timeMs === undefined ? undefined : { revision: all[next]?.revision ?? 0, record: { timeMs } };
      dated.push((before ?? after) ? { ...own, timeMs: timeBetween(own.revision, before, after) } : own);
    }
  }
  return dated;
}
