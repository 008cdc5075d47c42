import { any, boolean, int32, list, ref, string } from './types.ts';
import type { ModelSchema } from './types.ts';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.';

/** Kinds of the `meta.k8s.io` group that clients ask for by content negotiation and client-node has no models of. */
export const metaModels: Readonly<Record<string, ModelSchema>> = {
  [`${meta}PartialObjectMetadata`]: {
    required: [],
    fields: { apiVersion: string, kind: string, metadata: ref(`${meta}ObjectMeta`) },
  },
  [`${meta}PartialObjectMetadataList`]: {
    required: ['items'],
    fields: {
      apiVersion: string,
      kind: string,
      metadata: ref(`${meta}ListMeta`),
      items: list(ref(`${meta}PartialObjectMetadata`)),
    },
  },
  [`${meta}Table`]: {
    required: ['columnDefinitions', 'rows'],
    fields: {
      apiVersion: string,
      kind: string,
      metadata: ref(`${meta}ListMeta`),
      columnDefinitions: list(ref(`${meta}TableColumnDefinition`)),
      rows: list(ref(`${meta}TableRow`)),
    },
  },
  [`${meta}TableColumnDefinition`]: {
    required: ['name', 'type', 'format', 'description', 'priority'],
    fields: { name: string, type: string, format: string, description: string, priority: int32 },
  },
  [`${meta}TableRow`]: {
    required: ['cells'],
    fields: { cells: list(any), conditions: list(ref(`${meta}TableRowCondition`)), object: any },
  },
  [`${meta}TableRowCondition`]: {
    required: ['type', 'status'],
    fields: { type: string, status: string, reason: string, message: string },
  },
  [`${meta}TableOptions`]: {
    required: [],
    fields: { apiVersion: string, kind: string, noHeaders: boolean, includeObject: string },
  },
};
