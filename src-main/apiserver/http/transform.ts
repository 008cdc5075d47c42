import type { KubeObject } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import { type IncludeObject, partialMetadata, tableOf } from '#api/printers/table';
import { resourceOfObject } from '#api/resources/table';
import type { Negotiated } from './negotiate.ts';

/** What turning an answer into a Table or metadata needs to know. */
export interface TransformOptions {
  readonly to: Negotiated['transform'];
  readonly query: URLSearchParams;
  /** For ages. */
  readonly nowMs: () => number;
}

interface Shaped {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata?: KubeObject['metadata'];
  readonly items?: readonly KubeObject[];
}

/** Turns an answer's object or list into the form asked for. A Status, and what has no columns, stays what it is. */
export function transformObject(object: unknown, options: TransformOptions): unknown {
  if (options.to === 'none' || !isShaped(object) || object.kind === 'Status') return object;
  return options.to === 'metadata' ? metadataOf(object) : tabled(object, options, { withColumns: true });
}

/** The same for the frames of a watch: only the first Table carries column definitions, as upstream has it. */
export function watchTransformer(options: TransformOptions): (type: string, object: unknown) => unknown {
  if (options.to === 'none') return (_type, object) => object;
  let withColumns = true;
  return (type, object) => {
    if (type === 'ERROR' || !isShaped(object)) return object;
    if (options.to === 'metadata') return metadataOf(object);
    const table = tabled(object, options, { withColumns });
    withColumns = false;
    return table;
  };
}

function isShaped(value: unknown): value is Shaped {
  return typeof value === 'object' && value !== null && 'kind' in value && 'apiVersion' in value;
}

function tabled(
  object: Shaped,
  options: TransformOptions,
  { withColumns }: { readonly withColumns: boolean },
): unknown {
  const { kind, apiVersion, items } = object;
  const row = resourceOfObject({ apiVersion, kind: items ? kind.replace(/List$/, '') : kind });
  if (!row) return object;
  const objects = items ?? [object as KubeObject];
  // A list's items go without their kind; a single object's table has its version.
  const metadata = items ? { ...object.metadata } : versionOf(object);
  return tableOf(row, objects, metadata, {
    nowMs: options.nowMs(),
    includeObject: includeObjectOf(options.query),
    withColumns,
  });
}

function versionOf(object: Shaped): Readonly<Record<string, unknown>> {
  const resourceVersion = object.metadata?.resourceVersion;
  return resourceVersion ? { resourceVersion } : {};
}

function metadataOf(object: Shaped): unknown {
  if (!object.items) return partialMetadata(object as KubeObject);
  return {
    kind: 'PartialObjectMetadataList',
    apiVersion: 'meta.k8s.io/v1',
    metadata: object.metadata,
    items: object.items.map(partialMetadata),
  };
}

function includeObjectOf(query: URLSearchParams): IncludeObject {
  const asked = query.get('includeObject') ?? '';
  if (asked === '') return 'Metadata';
  if (asked === 'None' || asked === 'Metadata' || asked === 'Object') return asked;
  throw new StatusError('BadRequest', `unrecognized includeObject value: ${JSON.stringify(asked)}`);
}
