import { jsonEqual } from '#base/freeze';
import { omit } from '../machinery/meta.ts';
import type { KubeObject } from '../machinery/object.ts';
import type { FieldError } from '../validation/errors.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../validation/metadata.ts';
import type { NameCheck } from '../machinery/names.ts';
import type { Strategy, SubresourceUpdate } from './definition.ts';

/** What one resource adds to the common strategy. Everything is optional but the check of its names. */
export interface StrategyParts<T extends KubeObject> {
  readonly namespaced: boolean;
  readonly checkName: NameCheck;
  /** Whether there is a status, which only the status subresource writes. */
  readonly hasStatus?: boolean;
  /** The status of a new object; default `{}`. */
  readonly initialStatus?: object;
  /** Set where the creator brings the status along (a kubelet that registers its Node). */
  readonly keepsStatusOnCreate?: true;
  /** Fields whose change raises `metadata.generation`; none: the kind has no generation. */
  readonly generationOf?: readonly string[];
  /** Whether changed annotations raise the generation too (Deployments). */
  readonly annotationsRaiseGeneration?: true;
  readonly applyDefaults?: (object: T) => T;
  readonly prepareForCreate?: (object: T) => T;
  readonly prepareForUpdate?: (object: T, old: T) => T;
  readonly prepareForStatusUpdate?: (object: T, old: T) => T;
  /** What must hold beyond the metadata. */
  readonly validate?: (object: T) => readonly FieldError[];
  /** What may not change; {@link validate} runs as well. */
  readonly validateUpdate?: (object: T, old: T) => readonly FieldError[];
  /** Set where an update is checked by rules of its own instead of {@link validate} (Pods). */
  readonly skipValidateOnUpdate?: true;
  readonly validateStatusUpdate?: (object: T, old: T) => readonly FieldError[];
  readonly subresourceUpdates?: Readonly<Record<string, SubresourceUpdate<T>>>;
  readonly allowCreateOnUpdate?: boolean;
  readonly requiresResourceVersion?: boolean;
}

export function strategyOf<T extends KubeObject>(parts: StrategyParts<T>): Strategy<T> {
  const { namespaced, checkName } = parts;
  const own = parts.validate ?? (() => []);
  return {
    applyDefaults: parts.applyDefaults ?? ((object) => object),
    prepareForCreate: (object) =>
      firstGeneration((parts.prepareForCreate ?? same)(withoutStatus(object, parts)), parts),
    prepareForUpdate: (object, old) => {
      const kept = parts.hasStatus ? keepField(object, old, 'status') : object;
      return nextGeneration(parts.prepareForUpdate ? parts.prepareForUpdate(kept, old) : kept, old, parts);
    },
    prepareForStatusUpdate: (object, old) => {
      const kept = keepSpec(object, old);
      return parts.prepareForStatusUpdate ? parts.prepareForStatusUpdate(kept, old) : kept;
    },
    validate: (object) => [...validateObjectMeta(object.metadata, namespaced, checkName), ...own(object)],
    validateUpdate: (object, old) => [
      ...validateObjectMetaUpdate(object.metadata, old.metadata),
      ...(parts.skipValidateOnUpdate ? [] : own(object)),
      ...(parts.validateUpdate?.(object, old) ?? []),
    ],
    validateStatusUpdate: (object, old) => [
      ...validateObjectMetaUpdate(object.metadata, old.metadata),
      ...(parts.validateStatusUpdate?.(object, old) ?? []),
    ],
    subresourceUpdates: Object.fromEntries(
      Object.entries(parts.subresourceUpdates ?? {}).map(([name, { prepare, validate }]) => [
        name,
        {
          prepare: (object: T, old: T) => prepare(keepSpec(object, old), old),
          validate: (object: T, old: T) => [
            ...validateObjectMetaUpdate(object.metadata, old.metadata),
            ...validate(object, old),
          ],
        },
      ]),
    ),
    allowCreateOnUpdate: parts.allowCreateOnUpdate ?? false,
    allowUnconditionalUpdate: !parts.requiresResourceVersion,
  };
}

function same<T>(object: T): T {
  return object;
}

function withoutStatus<T extends KubeObject>(object: T, parts: StrategyParts<T>): T {
  if (!parts.hasStatus || parts.keepsStatusOnCreate) return object;
  return { ...object, status: parts.initialStatus ?? {} };
}

function firstGeneration<T extends KubeObject>(object: T, parts: StrategyParts<T>): T {
  if (parts.generationOf) return { ...object, metadata: { ...object.metadata, generation: 1 } };
  return 'generation' in object.metadata ? { ...object, metadata: omit(object.metadata, 'generation') } : object;
}

/** `object` with `field` as `old` has it. */
function keepField<T extends object>(object: T, old: T, field: string): T {
  const [next, before] = [object as Record<string, unknown>, old as Record<string, unknown>];
  if (next[field] === before[field]) return object;
  if (before[field] !== undefined) return { ...object, [field]: before[field] };
  return omit(next, field) as T;
}

/** For the status subresource: everything of `old`, but the status and what metadata it may write. */
function keepSpec<T extends KubeObject>(object: T, old: T): T {
  const metadata = omit(object.metadata, 'deletionTimestamp', 'generation', 'ownerReferences');
  const before = old.metadata;
  return {
    ...old,
    ...('status' in object ? { status: object.status } : {}),
    metadata: {
      ...metadata,
      ...(before.deletionTimestamp === undefined ? {} : { deletionTimestamp: before.deletionTimestamp }),
      ...(before.generation === undefined ? {} : { generation: before.generation }),
      ...(before.ownerReferences === undefined ? {} : { ownerReferences: before.ownerReferences }),
    },
  };
}

function nextGeneration<T extends KubeObject>(object: T, old: T, parts: StrategyParts<T>): T {
  const [next, before] = [object as unknown as Record<string, unknown>, old as unknown as Record<string, unknown>];
  const annotated =
    parts.annotationsRaiseGeneration && !jsonEqual(object.metadata.annotations, old.metadata.annotations);
  const changed = annotated || (parts.generationOf ?? []).some((field) => !jsonEqual(next[field], before[field]));
  const generation = changed ? (old.metadata.generation ?? 0) + 1 : old.metadata.generation;
  if (object.metadata.generation === generation) return object;
  if (generation === undefined) return { ...object, metadata: omit(object.metadata, 'generation') };
  return { ...object, metadata: { ...object.metadata, generation } };
}
