/**
 * A set of field paths, as a trie (`fieldpath.Set` of structured-merge-diff v6). Elements are spelled as in `fieldsV1`:
 *
 *     f:replicas             a field, or the key of a map
 *     k:{"name":"web"}       the item of a keyed list
 *     v:"x"                  the item of a set
 *
 * `{ f:spec: { f:replicas: {} } }` holds one path, `.spec.replicas`. A node that is itself a member beside having members
 * below it carries `.`.
 */
export interface FieldSet {
  /** Whether the path that leads here is in the set. */
  readonly member: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
}

export const emptySet: FieldSet = { member: false, children: new Map() };
export const leaf: FieldSet = { member: true, children: new Map() };

export function isEmptySet(set: FieldSet): boolean {
  return !set.member && set.children.size === 0;
}

/** A node with `children`, without the empty ones. */
export function node(member: boolean, children: ReadonlyMap<string, FieldSet>): FieldSet {
  for (const child of children.values()) {
    if (!isEmptySet(child)) continue;
    return { member, children: new Map([...children].filter(([, one]) => !isEmptySet(one))) };
  }
  return { member, children };
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b;
  if (isEmptySet(b) || a === b) return a;
  const children = new Map(a.children);
  for (const [key, child] of b.children) {
    const mine = children.get(key);
    children.set(key, mine ? union(mine, child) : child);
  }
  return { member: a.member || b.member, children };
}

/** Members of `a` that are not members of `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(b)) return a;
  const children = new Map<string, FieldSet>();
  for (const [key, child] of a.children) {
    const other = b.children.get(key);
    children.set(key, other ? difference(child, other) : child);
  }
  return node(a.member && !b.member, children);
}

/** As {@link difference}, and a member of `b` takes all that is below it along. */
export function recursiveDifference(a: FieldSet, b: FieldSet): FieldSet {
  if (b.member) return emptySet;
  const children = new Map<string, FieldSet>();
  for (const [key, child] of a.children) {
    const other = b.children.get(key);
    children.set(key, other ? recursiveDifference(child, other) : child);
  }
  return node(a.member, children);
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [key, child] of a.children) {
    const other = b.children.get(key);
    if (other) children.set(key, intersection(child, other));
  }
  return node(a.member && b.member, children);
}

export function equalSets(a: FieldSet, b: FieldSet): boolean {
  if (a.member !== b.member || a.children.size !== b.children.size) return false;
  for (const [key, child] of a.children) {
    const other = b.children.get(key);
    if (!other || !equalSets(child, other)) return false;
  }
  return true;
}

/** Paths of all members, as lists of elements, in order. */
export function members(set: FieldSet, prefix: readonly string[] = []): readonly (readonly string[])[] {
  const own = set.member && prefix.length > 0 ? [prefix] : [];
  const below = [...set.children].sort(([a], [b]) => compareElements(a, b));
  return [...own, ...below.flatMap(([key, child]) => members(child, [...prefix, key]))];
}

const ranks: Readonly<Record<string, number>> = { f: 0, k: 1, v: 2, i: 3 };

function compareElements(a: string, b: string): number {
  const rank = (ranks[a[0] ?? ''] ?? 4) - (ranks[b[0] ?? ''] ?? 4);
  return rank !== 0 ? rank : a < b ? -1 : a > b ? 1 : 0;
}

/** `.spec.containers[name="web"].image`. */
export function pathText(path: readonly string[]): string {
  return path.map(elementText).join('');
}

function elementText(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return `.${rest}`;
  if (element.startsWith('v:')) return `[=${rest}]`;
  if (element.startsWith('i:')) return `[${rest}]`;
  const keys = JSON.parse(rest) as Readonly<Record<string, unknown>>;
  return `[${Object.entries(keys)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join(',')}]`;
}

/** The `fieldsV1` form. */
export function encodeFieldSet(set: FieldSet): Readonly<Record<string, unknown>> {
  const out: Record<string, unknown> = {};
  if (set.member && set.children.size > 0) out['.'] = {};
  for (const [key, child] of [...set.children].sort(([a], [b]) => compareElements(a, b)))
    out[key] = encodeFieldSet(child);
  return out;
}

export function decodeFieldSet(fields: unknown, isRoot = true): FieldSet {
  if (typeof fields !== 'object' || fields === null) return isRoot ? emptySet : leaf;
  const entries = Object.entries(fields);
  const children = new Map(
    entries.filter(([key]) => key !== '.').map(([key, value]) => [key, decodeFieldSet(value, false)]),
  );
  return { member: !isRoot && (children.size === 0 || '.' in fields), children };
}
