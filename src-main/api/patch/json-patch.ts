import { jsonEqual } from '#base/freeze';

/** A patch that cannot be applied to this document. */
export class PatchError extends Error {
  override readonly name = 'PatchError';
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** Applies an RFC 6902 patch. The document is not changed; what no operation touches is shared. Throws {@link PatchError}. */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new PatchError('a JSON patch must be a list of operations');
  return (patch as readonly unknown[]).reduce(
    (current, operation) => applyOperation(current, asOperation(operation)),
    document,
  );
}

function asOperation(value: unknown): Operation {
  const operation = value as Partial<Operation> | null;
  if (typeof operation !== 'object' || operation === null)
    throw new PatchError('a JSON patch operation must be an object');
  if (typeof operation.op !== 'string' || typeof operation.path !== 'string') {
    throw new PatchError('a JSON patch operation needs "op" and "path"');
  }
  return operation as Operation;
}

function applyOperation(document: unknown, operation: Operation): unknown {
  const path = pointer(operation.path);
  const from = (): readonly string[] => pointer(operation.from ?? '');
  switch (operation.op) {
    case 'add':
      return editAt(document, { path, how: 'add', value: operation.value }, 0);
    case 'replace':
      return editAt(document, { path, how: 'replace', value: operation.value }, 0);
    case 'remove':
      return editAt(document, { path, how: 'remove', value: undefined }, 0);
    case 'move': {
      const value = read(document, from());
      const taken = editAt(document, { path: from(), how: 'remove', value: undefined }, 0);
      return editAt(taken, { path, how: 'add', value }, 0);
    }
    case 'copy':
      return editAt(document, { path, how: 'add', value: read(document, from()) }, 0);
    case 'test': {
      const actual = readOptional(document, path);
      if (!jsonEqual(actual ?? null, operation.value ?? null))
        throw new PatchError(`testing value ${operation.path} failed: test failed`);
      return document;
    }
    default:
      throw new PatchError(`Unexpected kind: ${operation.op}`);
  }
}

function pointer(text: string): readonly string[] {
  if (text === '') return [];
  if (!text.startsWith('/')) throw new PatchError(`a JSON pointer must start with "/": ${JSON.stringify(text)}`);
  return text
    .slice(1)
    .split('/')
    .map((part) => part.replace(/~1/g, '/').replace(/~0/g, '~'));
}

function readOptional(document: unknown, path: readonly string[]): unknown {
  let at = document;
  for (const part of path) {
    if (Array.isArray(at)) at = at[indexOf(part, at.length - 1, path)];
    else if (typeof at === 'object' && at !== null && Object.hasOwn(at, part))
      at = (at as Record<string, unknown>)[part];
    else return undefined;
  }
  return at;
}

function read(document: unknown, path: readonly string[]): unknown {
  const value = readOptional(document, path);
  if (value === undefined) throw new PatchError(`missing value at /${path.join('/')}: doc is missing key`);
  return value;
}

/** An index into a list: `-` is its end; negative and too large ones are refused. */
function indexOf(part: string, last: number, path: readonly string[]): number {
  const index = part === '-' ? last : /^(0|[1-9]\d*)$/.test(part) ? Number(part) : Number.NaN;
  if (Number.isNaN(index) || index > last || index < 0) {
    throw new PatchError(`unable to access invalid index in /${path.join('/')}: ${part}`);
  }
  return index;
}

interface Edit {
  readonly path: readonly string[];
  readonly how: 'add' | 'replace' | 'remove';
  readonly value: unknown;
}

/** The edit done below `at`, which the first `depth` parts of the path lead to. */
function editAt(at: unknown, edit: Edit, depth: number): unknown {
  const { path, how, value } = edit;
  const head = path[depth];
  const isLast = depth === path.length - 1;
  if (head === undefined) return how === 'remove' ? null : value;
  if (Array.isArray(at)) return editList(at, head, edit, depth);
  if (typeof at !== 'object' || at === null) {
    throw new PatchError(`${how} operation does not apply: doc is missing path: /${path.join('/')}`);
  }
  const record = at as Readonly<Record<string, unknown>>;
  if (!Object.hasOwn(record, head) && (!isLast || how !== 'add')) {
    throw new PatchError(`${how} operation does not apply: doc is missing key: /${path.join('/')}`);
  }
  if (!isLast) return { ...record, [head]: editAt(record[head], edit, depth + 1) };
  if (how !== 'remove') return { ...record, [head]: value };
  const { [head]: _removed, ...others } = record;
  return others;
}

function editList(list: readonly unknown[], head: string, edit: Edit, depth: number): readonly unknown[] {
  const { path, how, value } = edit;
  const isLast = depth === path.length - 1;
  const inserting = how === 'add' && isLast;
  const index = indexOf(head, inserting ? list.length : list.length - 1, path);
  const copy = [...list];
  if (!isLast) copy[index] = editAt(list[index], edit, depth + 1);
  else if (inserting) copy.splice(index, 0, value);
  else if (how === 'remove') copy.splice(index, 1);
  else copy[index] = value;
  return copy;
}
