import { diffArrays, diffWordsWithSpace } from 'diff';
import { stringify } from 'yaml';

/** A piece of a line; `changed` is what makes it different from its neighbour on the other side. */
export interface Piece {
  readonly text: string;
  readonly changed: boolean;
}

export type DiffRow =
  | {
      readonly kind: 'line';
      readonly sign: ' ' | '-' | '+';
      /** From 1, in the older and the newer text. */
      readonly before: number | undefined;
      readonly after: number | undefined;
      readonly pieces: readonly Piece[];
    }
  /** Lines that are the same and not shown. */
  | { readonly kind: 'folded'; readonly lines: number; readonly within: string };

/** Lines kept on either side of a change. */
const contextLines = 3;
/** Beyond this a line-by-line comparison takes too long for a page; then all of both sides is told as changed. */
const maxEdits = 6000;

/** What a person reads of an object: YAML, without what every write changes, unless `all`. */
export function readable(value: unknown, all: boolean): string {
  if (typeof value === 'string') return value;
  return stringify(all ? value : withoutNoise(value), { lineWidth: 0 });
}

function withoutNoise(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('metadata' in value)) return value;
  const { metadata } = value;
  if (typeof metadata !== 'object' || metadata === null) return value;
  const { managedFields: _managed, resourceVersion: _version, ...rest } = metadata as Readonly<Record<string, unknown>>;
  return { ...value, metadata: rest };
}

/** Line by line, with a few lines around each change and the changed words of lines that stand for each other. */
export function diffText(before: string, after: string): readonly DiffRow[] {
  const [older, newer] = [linesOf(before), linesOf(after)];
  const parts = diffArrays([...older], [...newer], { maxEditLength: maxEdits }) ?? [
    { value: [...older], removed: true, added: false, count: older.length },
    { value: [...newer], removed: false, added: true, count: newer.length },
  ];
  const rows: DiffRow[] = [];
  let [at, to] = [1, 1];
  parts.forEach((part, index) => {
    const next = parts[index + 1];
    if (part.removed && next?.added) {
      rows.push(...replaced(part.value, next.value, at, to));
      at += part.value.length;
      to += next.value.length;
    } else if (part.removed) for (const text of part.value) rows.push(line('-', at++, undefined, plain(text)));
    else if (part.added && parts[index - 1]?.removed) return;
    else if (part.added) for (const text of part.value) rows.push(line('+', undefined, to++, plain(text)));
    else for (const text of part.value) rows.push(line(' ', at++, to++, plain(text)));
  });
  return fold(rows);
}

function linesOf(text: string): readonly string[] {
  const lines = text.split('\n');
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

function line(
  sign: ' ' | '-' | '+',
  before: number | undefined,
  after: number | undefined,
  pieces: readonly Piece[],
): DiffRow {
  return { kind: 'line', sign, before, after, pieces };
}

function plain(text: string): readonly Piece[] {
  return [{ text, changed: false }];
}

function replaced(older: readonly string[], newer: readonly string[], at: number, to: number): readonly DiffRow[] {
  // Where as many lines came as went, they stand for each other, and what differs within them is marked.
  const pairs =
    older.length === newer.length ? older.map((text, index) => wordsOf(text, newer[index] ?? '')) : undefined;
  return [
    ...older.map((text, index) => line('-', at + index, undefined, pairs?.[index]?.older ?? plain(text))),
    ...newer.map((text, index) => line('+', undefined, to + index, pairs?.[index]?.newer ?? plain(text))),
  ];
}

function wordsOf(older: string, newer: string): { readonly older: readonly Piece[]; readonly newer: readonly Piece[] } {
  if (older.length + newer.length > 4000) return { older: plain(older), newer: plain(newer) };
  const parts = diffWordsWithSpace(older, newer);
  const side = (leaveOut: 'added' | 'removed'): readonly Piece[] =>
    parts.filter((part) => !part[leaveOut]).map((part) => ({ text: part.value, changed: part.added || part.removed }));
  return { older: side('added'), newer: side('removed') };
}

/** Leaves out what is far from any change, and says under which field it lies. */
function fold(rows: readonly DiffRow[]): readonly DiffRow[] {
  const near = new Set<number>();
  rows.forEach((row, index) => {
    if (row.kind === 'line' && row.sign !== ' ')
      for (let at = index - contextLines; at <= index + contextLines; at++) near.add(at);
  });
  const folded: DiffRow[] = [];
  let hidden: DiffRow[] = [];
  const close = (): void => {
    if (hidden.length > 0) folded.push({ kind: 'folded', lines: hidden.length, within: fieldOf(hidden) });
    hidden = [];
  };
  rows.forEach((row, index) => {
    if (near.has(index)) {
      close();
      folded.push(row);
    } else hidden.push(row);
  });
  close();
  return folded;
}

/** The top field that the last hidden line belongs to: `status`. */
function fieldOf(rows: readonly DiffRow[]): string {
  for (const row of [...rows].reverse()) {
    const text = row.kind === 'line' ? (row.pieces[0]?.text ?? '') : '';
    const field = /^([\w.-]+):/.exec(text)?.[1];
    if (field) return field;
  }
  return '';
}
