/** One line of a difference between two JSON values. */
export interface DiffLine {
  readonly sign: ' ' | '-' | '+';
  readonly path: string;
  readonly text: string;
}

/** Fields that say nothing a person looks for, and change with every write. */
const quiet = ['metadata.managedFields', 'metadata.resourceVersion'];

/**
 * What changed from `before` to `after`: one or two lines a changed leaf, with its path. `before` undefined: the key is new;
 * then only its top is told.
 */
export function diffJson(before: unknown, after: unknown): readonly DiffLine[] {
  const lines: DiffLine[] = [];
  compare(before, after, '', lines);
  return lines;
}

function compare(before: unknown, after: unknown, path: string, lines: DiffLine[]): void {
  if (before === after || quiet.includes(path)) return;
  if (isContainer(before) && isContainer(after) && Array.isArray(before) === Array.isArray(after)) {
    const left = entriesOf(before);
    const right = entriesOf(after);
    for (const key of new Set([...left.keys(), ...right.keys()]))
      compare(left.get(key), right.get(key), Array.isArray(after) ? `${path}[${key}]` : join(path, key), lines);
    return;
  }
  if (before !== undefined && !(isContainer(before) && JSON.stringify(before) === JSON.stringify(after)))
    lines.push({ sign: '-', path, text: brief(before) });
  if (after !== undefined) lines.push({ sign: '+', path, text: brief(after) });
}

/** Lists of named things (containers, conditions) are compared by name or type, not by place. */
function entriesOf(value: object): ReadonlyMap<string, unknown> {
  if (!Array.isArray(value)) return new Map(Object.entries(value));
  const names = value.map((item) => nameOf(item));
  const named = names.every((name) => name !== undefined) && new Set(names).size === names.length;
  return new Map(value.map((item, index) => [named ? (names[index] ?? String(index)) : String(index), item]));
}

function nameOf(item: unknown): string | undefined {
  if (!isContainer(item)) return undefined;
  const { name, type, ip } = item as Readonly<Record<string, unknown>>;
  return [name, type, ip].find((value): value is string => typeof value === 'string');
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function join(path: string, key: string): string {
  if (/[./]/.test(key)) return `${path}["${key}"]`;
  return path === '' ? key : `${path}.${key}`;
}

function brief(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 240 ? `${text.slice(0, 240)}…` : text;
}
