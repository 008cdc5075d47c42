import type { KubeObject } from '../machinery/object.ts';
import type { Column } from '../printers/columns.ts';
import { schemaName } from '../schema/registry.ts';
import { allVerbs, type ResourceDefinition, type StoredForm, type Subresource, type Verb } from './definition.ts';
import { strategyOf, type StrategyParts } from './strategy.ts';

/** What a row of the table states; the rest follows from it. */
export interface Declaration<T extends KubeObject> extends Omit<StrategyParts<T>, 'namespaced'> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  /** Default true. */
  readonly namespaced?: boolean;
  readonly verbs?: readonly Verb[];
  readonly subresources?: readonly Subresource[];
  /** What follows `/registry/` in the store: `pods`, `services/specs`. Default: the plural. */
  readonly storage?: string;
  readonly stored?: false;
  readonly storedAs?: StoredForm<T>;
  /** Selectable fields beyond name and namespace. */
  readonly fields?: Readonly<Record<string, (object: T) => string | boolean | undefined>>;
  readonly columns: readonly Column<T>[];
}

export function define<T extends KubeObject>(row: Declaration<T>): ResourceDefinition {
  const namespaced = row.namespaced ?? true;
  const extra = Object.entries(row.fields ?? {});
  const definition: ResourceDefinition<T> = {
    group: row.group,
    version: row.version,
    kind: row.kind,
    plural: row.plural,
    singular: row.kind.toLowerCase(),
    shortNames: row.shortNames ?? [],
    categories: row.categories ?? [],
    namespaced,
    verbs: row.verbs ?? allVerbs,
    subresources: row.subresources ?? [],
    schema: schemaName(row.group, row.version, row.kind),
    keyPrefix: row.stored === false ? undefined : `/registry/${row.storage ?? row.plural}/`,
    selectableFieldNames: [
      'metadata.name',
      ...(namespaced ? ['metadata.namespace'] : []),
      ...extra.map(([name]) => name),
    ],
    selectableFields: (object) => {
      const fields: Record<string, string> = { 'metadata.name': object.metadata.name ?? '' };
      if (namespaced) fields['metadata.namespace'] = object.metadata.namespace ?? '';
      for (const [name, valueOf] of extra) fields[name] = String(valueOf(object) ?? '');
      return fields;
    },
    strategy: strategyOf({ ...row, namespaced }),
    columns: row.columns,
    ...(row.storedAs ? { storedAs: row.storedAs } : {}),
  };
  // The table holds rows of many kinds. A row is only ever given objects that were decoded as its own kind, so its type
  // can be forgotten here, once.
  return Object.freeze(definition) as unknown as ResourceDefinition;
}

/** The status subresource of a kind. */
export function status(group: string, version: string, kind: string): Subresource {
  return { name: 'status', group, version, kind, verbs: ['get', 'patch', 'update'] };
}

export const scale: Subresource = {
  name: 'scale',
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  verbs: ['get', 'patch', 'update'],
};
