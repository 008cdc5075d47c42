import type { ManagedFieldsEntry } from '#api/gen/types';
import { formatTime } from '#base/clock';
import { jsonEqual } from '#base/freeze';
import type { KubeObject } from '../machinery/object.ts';
import { omit } from '../machinery/meta.ts';
import {
  decodeFieldSet,
  difference,
  emptySet,
  encodeFieldSet,
  equalSets,
  intersection,
  isEmptySet,
  recursiveDifference,
  union,
  type FieldSet,
} from './field-set.ts';
import { compare, type Shape } from './typed.ts';

/** Who writes, as `managedFields` tells writers apart. */
export interface Manager {
  readonly name: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  /** Empty for the main resource. */
  readonly subresource: string;
}

/** One manager and the fields it owns. */
export interface Ownership extends Manager {
  readonly time: string | undefined;
  readonly fields: FieldSet;
  /** `fields` as they were read, as long as they are the same: spares encoding them again. */
  readonly encoded?: unknown;
}

/** Fields nobody owns: identity, and what the server keeps itself. */
const unowned = decodeFieldSet({
  'f:apiVersion': {},
  'f:kind': {},
  'f:metadata': {
    'f:name': {},
    'f:namespace': {},
    'f:creationTimestamp': {},
    'f:deletionTimestamp': {},
    'f:deletionGracePeriodSeconds': {},
    'f:selfLink': {},
    'f:uid': {},
    'f:generation': {},
    'f:managedFields': {},
    'f:resourceVersion': {},
  },
});

export function withoutUnowned(set: FieldSet): FieldSet {
  const rest = recursiveDifference(set, unowned);
  const metadata = rest.children.get('f:metadata');
  if (!metadata || metadata.children.size > 0) return rest;
  return difference(rest, {
    member: false,
    children: new Map([['f:metadata', { member: true, children: new Map() }]]),
  });
}

export function decodeManagers(entries: readonly ManagedFieldsEntry[] | undefined): readonly Ownership[] {
  return (entries ?? []).map((entry) => ({
    name: entry.manager ?? '',
    operation: entry.operation === 'Apply' ? 'Apply' : 'Update',
    apiVersion: entry.apiVersion ?? '',
    subresource: entry.subresource ?? '',
    time: entry.time,
    fields: decodeFieldSet(entry.fieldsV1),
    encoded: entry.fieldsV1,
  }));
}

function encodeManagers(managers: readonly Ownership[]): readonly ManagedFieldsEntry[] {
  return managers
    .filter(({ fields }) => !isEmptySet(fields))
    .sort(compareOwnership)
    .map(({ name, operation, apiVersion, subresource, time, fields, encoded }) => ({
      apiVersion,
      fieldsType: 'FieldsV1',
      fieldsV1: encoded ?? encodeFieldSet(fields),
      manager: name,
      operation,
      ...(subresource ? { subresource } : {}),
      ...(time ? { time } : {}),
    }));
}

function compareOwnership(a: Ownership, b: Ownership): number {
  if (a.operation !== b.operation) return a.operation < b.operation ? -1 : 1;
  const [left, right] = [`${a.time ?? ''} ${a.name} ${a.subresource}`, `${b.time ?? ''} ${b.name} ${b.subresource}`];
  return left < right ? -1 : left > right ? 1 : 0;
}

export function sameManager(a: Manager, b: Manager): boolean {
  return (
    a.name === b.name && a.operation === b.operation && a.subresource === b.subresource && a.apiVersion === b.apiVersion
  );
}

/** A write that is not an apply: a create (no `live`), an update, or a patch of another kind. */
export interface TrackedWrite {
  readonly live: KubeObject | undefined;
  /** As it is going to be stored: defaulted, prepared. */
  readonly next: KubeObject;
  /** OpenAPI name of the kind. */
  readonly schema: string;
  /** The `fieldManager` of the request, or the part of its user agent before the first slash. */
  readonly manager: string;
  readonly subresource: string;
  readonly nowMs: number;
}

/**
 * `next` with `managedFields` brought up to date: what changed belongs to the writer now, and to nobody else. A writer who
 * sends an empty list of managed fields clears them (upstream's way to reset ownership).
 */
export function trackUpdate(write: TrackedWrite): KubeObject {
  const { live, next, schema } = write;
  const sent = next.metadata.managedFields;
  const cleared =
    live !== undefined &&
    sent !== undefined &&
    (sent.length === 0 || sent.every((entry) => !entry.manager && !entry.fieldsV1));
  const managers = cleared ? [] : decodeManagers(live?.metadata.managedFields);
  const shape: Shape = { kind: 'struct', schema };
  const { changed, removed } = compare(live ?? {}, next, shape);
  const mine = withoutUnowned(changed);
  const gone = withoutUnowned(removed);
  if (isEmptySet(mine) && isEmptySet(gone)) return cleared ? withManagers(next, [], live) : keepManagers(next, live);
  const self: Manager = {
    name: write.manager,
    operation: 'Update',
    apiVersion: next.apiVersion,
    subresource: write.subresource,
  };
  const before = managers.find((one) => sameManager(one, self));
  const fields = difference(union(before?.fields ?? emptySet, mine), gone);
  const time = before && equalSets(before.fields, fields) ? before.time : formatTime(write.nowMs);
  const others = managers
    .filter((one) => one !== before)
    .map((one) => ({ ...one, fields: difference(difference(one.fields, mine), gone) }));
  return withManagers(next, [...others, { ...self, time, fields }], live);
}

/** `manager` without the fields in `lost`; the same object when it owns none of them. */
export function withoutFields(manager: Ownership, lost: FieldSet): Ownership {
  if (isEmptySet(intersection(manager.fields, lost))) return manager;
  return { ...omit(manager, 'encoded'), fields: difference(manager.fields, lost) };
}

/** The managed fields of `live`, as they are. */
function keepManagers(object: KubeObject, live: KubeObject | undefined): KubeObject {
  const managedFields = live?.metadata.managedFields;
  if (object.metadata.managedFields === managedFields) return object;
  if (managedFields === undefined) return { ...object, metadata: omit(object.metadata, 'managedFields') };
  return { ...object, metadata: { ...object.metadata, managedFields } };
}

/** `object` with `managers` as its managed fields; the list of `live` is shared when none of them changed. */
export function withManagers(
  object: KubeObject,
  managers: readonly Ownership[],
  live: KubeObject | undefined,
): KubeObject {
  const kept = managers.filter(({ fields }) => !isEmptySet(fields));
  if (kept.length === 0) return { ...object, metadata: omit(object.metadata, 'managedFields') };
  const before = live?.metadata.managedFields;
  const encoded = encodeManagers(kept);
  const managedFields = before && jsonEqual(before, encoded) ? before : encoded;
  if (object.metadata.managedFields === managedFields) return object;
  return { ...object, metadata: { ...object.metadata, managedFields } };
}
