import { toByteString, type ByteString } from '../byte-string.ts';

/** Keys from `start`; up to but without `end`, to the last one when `end` is undefined. A single key ends right after it. */
export interface KeyRange {
  readonly start: ByteString;
  readonly end: ByteString | undefined;
  readonly single: boolean;
}

export function keyRange(target: { readonly key: string; readonly rangeEnd?: string }): KeyRange {
  const start = toByteString(target.key);
  if (target.rangeEnd === undefined) return { start, end: `${start}\0`, single: true };
  const end = toByteString(target.rangeEnd);
  return { start, end: end === '\0' ? undefined : end, single: false };
}

export function inKeyRange(range: KeyRange, key: ByteString): boolean {
  return range.single ? key === range.start : key >= range.start && (range.end === undefined || key < range.end);
}

export function isEmpty({ start, end }: KeyRange): boolean {
  return end !== undefined && end <= start;
}
