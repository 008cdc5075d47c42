import type { KubeObject } from '../machinery/object.ts';
import type { ResourceDefinition } from '../resources/definition.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface TableOptions {
  readonly nowMs: number;
  /** What each row carries beside its cells; kubectl asks for Metadata (the default) or Object. */
  readonly includeObject: IncludeObject;
  /** Later frames of a watch leave the column definitions out. */
  readonly withColumns: boolean;
}

const pick = { apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata' } as const;

export interface Table {
  readonly kind: 'Table';
  readonly apiVersion: 'meta.k8s.io/v1';
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly columnDefinitions: readonly Readonly<Record<string, unknown>>[] | null;
  readonly rows: readonly TableRow[];
}

export interface TableRow {
  readonly cells: readonly (string | number | boolean)[];
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
  }[];
  readonly object?: unknown;
}

/** The `meta.k8s.io/v1` Table of objects of one resource, as kube-apiserver (release 1.36) prints it. */
export function tableOf(
  row: ResourceDefinition,
  objects: readonly KubeObject[],
  metadata: Readonly<Record<string, unknown>>,
  options: TableOptions,
): Table {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: options.withColumns
      ? row.columns.map(({ name, type, format, description, priority }) => ({
          name,
          type,
          format,
          description,
          priority,
        }))
      : null,
    rows: objects.map((object) => tableRow(row, object, options)),
  };
}

function tableRow(row: ResourceDefinition, object: KubeObject, options: TableOptions): TableRow {
  const cells = row.columns.map((column) => column.cell(object, options));
  const conditions = completion(row, object);
  const rest = conditions ? { conditions } : {};
  if (options.includeObject === 'None') return { cells, ...rest };
  const carried = options.includeObject === 'Object' ? object : partialMetadata(object);
  return { cells, ...rest, object: carried };
}

/** The object with nothing but its metadata. */
export function partialMetadata(object: KubeObject): KubeObject {
  return { ...pick, metadata: object.metadata };
}

/** Finished pods are marked, so that clients can hide them. */
function completion(row: ResourceDefinition, object: KubeObject): TableRow['conditions'] {
  if (row.kind !== 'Pod' || row.group !== '') return undefined;
  const phase = (object as { readonly status?: { readonly phase?: string } }).status?.phase;
  if (phase === 'Succeeded') {
    return [{ type: 'Completed', status: 'True', reason: phase, message: 'The pod has completed successfully.' }];
  }
  if (phase === 'Failed') return [{ type: 'Completed', status: 'True', reason: phase, message: 'The pod failed.' }];
  return undefined;
}
