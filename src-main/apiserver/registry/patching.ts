import type { KubeObject } from '#api/machinery/object';
import type { PatchFormat } from './body.ts';
import type { FieldValidation } from './request-options.ts';
import type { ServedResource } from './served-resource.ts';

/** Who writes, for `metadata.managedFields`. */
export interface FieldWriter {
  readonly manager: string;
  /** `status`, `scale`, or empty. */
  readonly subresource: string;
  readonly nowMs: number;
}

/** An object that came from a client, in the shape of its schema. */
export interface Decoded {
  readonly object: KubeObject;
  /** Texts for `Warning` headers. */
  readonly warnings: readonly string[];
}

/** What the registry needs of the rooms that know schemas: decoding, patches, server-side apply. Throws StatusError. */
export interface ObjectEditor {
  /** Checks types, drops unknown fields (or turns them down, when asked to be strict) and nulls. */
  decode(served: ServedResource, body: unknown, validation: FieldValidation): Decoded;
  /** JSON, merge and strategic-merge patches. */
  patch(served: ServedResource, format: Exclude<PatchFormat, 'apply'>, current: KubeObject, patch: unknown): unknown;
  /** Server-side apply on `current`, or on nothing. Throws Conflict unless `force`. */
  apply(
    served: ServedResource,
    current: KubeObject | undefined,
    patch: KubeObject,
    writer: FieldWriter,
    force: boolean,
  ): KubeObject;
  /** `next` with the managedFields that follow from `writer` having written it over `old`. */
  track(served: ServedResource, next: KubeObject, old: KubeObject | undefined, writer: FieldWriter): KubeObject;
}
