import { StatusError } from '#api/machinery/status';
import type { Negotiated } from './negotiate.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

/**
 * Makes a `meta.k8s.io/v1` Table of an object or a list; undefined for what has no rows. Wired to the printers of `api/`.
 */
export type TableRenderer = (object: unknown, includeObject: IncludeObject) => TableLike | undefined;

export interface TableLike {
  readonly columnDefinitions: readonly unknown[];
}

interface Shaped {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly metadata?: unknown;
  readonly items?: readonly unknown[];
}

/** Turns an answer's object into the form asked for. A Status stays what it is. */
export function transformObject(
  object: unknown,
  to: Negotiated['transform'],
  query: URLSearchParams,
  tables: TableRenderer,
): unknown {
  if (to === 'none' || !isShaped(object) || object.kind === 'Status') return object;
  if (to === 'metadata') return partialMetadata(object);
  return tables(object, includeObjectOf(query)) ?? object;
}

/** The same for the frames of a watch: only the first Table carries column definitions, as upstream has it. */
export function watchTransformer(
  to: Negotiated['transform'],
  query: URLSearchParams,
  tables: TableRenderer,
): (type: string, object: unknown) => unknown {
  let headersSent = false;
  return (type, object) => {
    if (to === 'none' || type === 'ERROR') return object;
    const transformed = transformObject(object, to, query, tables);
    if (to !== 'table' || !isTable(transformed)) return transformed;
    if (!headersSent) {
      headersSent = true;
      return transformed;
    }
    return { ...transformed, columnDefinitions: null };
  };
}

function isTable(value: unknown): value is TableLike {
  return typeof value === 'object' && value !== null && 'columnDefinitions' in value;
}

function isShaped(value: unknown): value is Shaped {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

function partialMetadata(object: Shaped): unknown {
  if (!object.items) return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
  return {
    kind: 'PartialObjectMetadataList',
    apiVersion: 'meta.k8s.io/v1',
    metadata: object.metadata,
    items: object.items.map((item) => (isMetadata(item) ? { metadata: item.metadata } : item)),
  };
}

function isMetadata(value: unknown): value is { readonly metadata: unknown } {
  return typeof value === 'object' && value !== null && 'metadata' in value;
}

function includeObjectOf(query: URLSearchParams): IncludeObject {
  const asked = query.get('includeObject') ?? '';
  if (asked === '') return 'Metadata';
  if (asked === 'None' || asked === 'Metadata' || asked === 'Object') return asked;
  throw new StatusError('BadRequest', `unrecognized includeObject value: ${JSON.stringify(asked)}`);
}
