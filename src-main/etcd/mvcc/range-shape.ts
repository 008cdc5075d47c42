import type { KeyValue, RangeRequest } from '../client.ts';
import { toByteString } from '../byte-string.ts';

/**
 * How a range is filtered, sorted and cut, after `server/etcdserver/txn/range.go` (3.6). `count` is not touched by any of
 * it; `more` means that the limit cut something off.
 */

/** How many keys are read: with order `none` etcd cuts before it sorts, but for one key by which it sees that there is more. */
export function readLimit(request: RangeRequest): number {
  if (request.countOnly) return 0;
  const { limit = 0, sort } = request;
  if (limit <= 0 || hasBounds(request)) return Infinity;
  if (!sort) return limit;
  return sort.order === 'none' ? limit + 1 : Infinity;
}

/** Whether {@link shape} has anything to do. */
export function isShaped(request: RangeRequest): boolean {
  return request.sort !== undefined || hasBounds(request);
}

/** Sorting by value reads them, whoever sees them. */
export function readsValues(request: RangeRequest): boolean {
  return !request.keysOnly || request.sort?.target === 'value';
}

/** `kvs` in key order, as read. */
export function shape(request: RangeRequest, kvs: readonly KeyValue[]): { kvs: readonly KeyValue[]; more: boolean } {
  const { limit = 0, sort } = request;
  const kept = hasBounds(request) ? kvs.filter((kv) => isWithin(request, kv)) : [...kvs];
  if (sort && (sort.order !== 'none' || sort.target !== 'key')) {
    const sign = sort.order === 'descend' ? -1 : 1;
    kept.sort((a, b) => sign * compareBy(sort.target, a, b));
  }
  const shown = limit > 0 ? kept.slice(0, limit) : kept;
  return { kvs: shown, more: shown.length < kept.length };
}

/** A bound of 0 is none. */
function hasBounds(request: RangeRequest): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  return Boolean(minModRevision) || Boolean(maxModRevision) || Boolean(minCreateRevision) || Boolean(maxCreateRevision);
}

function isWithin(request: RangeRequest, { modRevision, createRevision }: KeyValue): boolean {
  const { minModRevision = 0, maxModRevision = 0, minCreateRevision = 0, maxCreateRevision = 0 } = request;
  return (
    (maxModRevision === 0 || modRevision <= maxModRevision) &&
    (minModRevision === 0 || modRevision >= minModRevision) &&
    (maxCreateRevision === 0 || createRevision <= maxCreateRevision) &&
    (minCreateRevision === 0 || createRevision >= minCreateRevision)
  );
}

/** Those that compare equal stay in key order, up and down, as Go's sort leaves them up to twelve keys. */
function compareBy(target: NonNullable<RangeRequest['sort']>['target'], a: KeyValue, b: KeyValue): number {
  switch (target) {
    case 'key':
      return toByteString(a.key) < toByteString(b.key) ? -1 : 1;
    case 'version':
      return a.version - b.version;
    case 'create':
      return a.createRevision - b.createRevision;
    case 'mod':
      return a.modRevision - b.modRevision;
    case 'value':
      return Buffer.compare(a.value, b.value);
  }
}
