import type { KubeObject } from '../machinery/object.ts';
import type { FieldError } from '../validation/errors.ts';
import type { Column } from '../printers/columns.ts';

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

export interface Subresource {
  /** `status`, `scale`, `binding`, ... */
  readonly name: string;
  readonly group: string;
  readonly version: string;
  /** The kind that is sent and answered: `Scale`, `Eviction`, or the resource's own. */
  readonly kind: string;
  readonly verbs: readonly ('create' | 'get' | 'patch' | 'update')[];
}

/** How a subresource other than `status` changes the stored object. Pure. */
export interface SubresourceUpdate<T extends KubeObject = KubeObject> {
  /** Given an object whose spec is the old one already. */
  readonly prepare: (object: T, old: T) => T;
  readonly validate: (object: T, old: T) => readonly FieldError[];
}

/**
 * What a write does to an object before it is stored, and what must hold of it: the strategy of one resource
 * (`registry/.../strategy.go` of kube-apiserver, release 1.36). All pure; inputs are frozen, results share what is unchanged.
 */
export interface Strategy<T extends KubeObject = KubeObject> {
  /** Fills in what the writer left out. Runs on every decoded object, before patches are compared and before storing. */
  readonly applyDefaults: (object: T) => T;
  /** Drops what a creator may not set (status), sets generation 1. */
  readonly prepareForCreate: (object: T) => T;
  /** Keeps what a main update may not change (status), raises generation when the spec changed. */
  readonly prepareForUpdate: (object: T, old: T) => T;
  /** Keeps everything but status (and what upstream lets the status endpoint write of the metadata). */
  readonly prepareForStatusUpdate: (object: T, old: T) => T;
  /** Metadata and spec. */
  readonly validate: (object: T) => readonly FieldError[];
  readonly validateUpdate: (object: T, old: T) => readonly FieldError[];
  readonly validateStatusUpdate: (object: T, old: T) => readonly FieldError[];
  /** Subresources that write a part of the status by rules of their own, by name. */
  readonly subresourceUpdates: Readonly<Record<string, SubresourceUpdate<T>>>;
  /** Whether PUT of a name that does not exist creates it. */
  readonly allowCreateOnUpdate: boolean;
  /** Whether an update without resourceVersion is taken as "whatever is there". */
  readonly allowUnconditionalUpdate: boolean;
}

/** One row of the resource table: everything the API server knows of a resource, in one place. */
export interface ResourceDefinition<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly Verb[];
  readonly subresources: readonly Subresource[];
  /** OpenAPI name of the kind: `io.k8s.api.core.v1.Pod`. */
  readonly schema: string;
  /**
   * Where objects live in the store, with the closing slash: `/registry/pods/`. The key is this, then `namespace/` for
   * namespaced resources, then the name. Absent for resources that are answered and never stored (reviews).
   */
  readonly keyPrefix: string | undefined;
  /** `metadata.name`, `metadata.namespace` and whatever else `fieldSelector` may name. */
  readonly selectableFields: (object: T) => Readonly<Record<string, string>>;
  /** The names of {@link selectableFields}. */
  readonly selectableFieldNames: readonly string[];
  readonly strategy: Strategy<T>;
  readonly columns: readonly Column<T>[];
  /** Set where the stored form is another kind's (events.k8s.io Event is stored as v1 Event). */
  readonly storedAs?: StoredForm<T>;
}

export interface StoredForm<T extends KubeObject> {
  readonly toStored: (object: T) => KubeObject;
  readonly fromStored: (stored: KubeObject) => T;
}

export const allVerbs: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];
