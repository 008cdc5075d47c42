import { epochOf } from '../../state/models/time.view-model.ts';

/** Who holds fields of an object, as its managedFields tell. */
export interface Manager {
  readonly name: string;
  /** `Apply` or `Update`, and the subresource when it is not the object itself. */
  readonly how: string;
  readonly atMs: number | undefined;
  /** Paths of its fields, `spec.replicas`; those of lists are named by their keys. */
  readonly fields: readonly string[];
}

const maxFields = 200;

export function managersOf(value: unknown): readonly Manager[] {
  const managed = record(record(value)?.['metadata'])?.['managedFields'];
  if (!Array.isArray(managed)) return [];
  return managed.flatMap((one): readonly Manager[] => {
    const entry = record(one);
    if (!entry) return [];
    const { manager, operation, subresource, time, fieldsV1 } = entry;
    const fields: string[] = [];
    collect(fieldsV1, '', fields);
    const how = [text(operation), subresource ? `of ${text(subresource)}` : ''].filter(Boolean).join(' ');
    return [{ name: text(manager) || 'unknown', how, atMs: epochOf(text(time)), fields }];
  });
}

/** `f:spec` is a field, `k:{"name":"web"}` an item of a list by its key, `v:"x"` by its value; `.` the thing itself. */
function collect(node: unknown, path: string, into: string[]): void {
  const entries = Object.entries(record(node) ?? {}).filter(([name]) => name !== '.');
  if (entries.length === 0) {
    if (path !== '' && into.length < maxFields) into.push(path);
    return;
  }
  for (const [name, below] of entries) {
    const rest = name.slice(2);
    if (name.startsWith('f:')) collect(below, path === '' ? rest : `${path}.${rest}`, into);
    else collect(below, `${path}[${itemOf(rest)}]`, into);
  }
}

/** The values of a list item's key: `web`, or `80,TCP`. */
function itemOf(key: string): string {
  return (
    Array.from(key.matchAll(/:\s*("([^"]*)"|[\d.]+|true|false)/g), (match) => match[2] ?? match[1]).join(',') || key
  );
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
