import type { LabelSelector, ObjectMeta, OwnerReference } from '#api/gen/types';
import { jsonEqual } from '#base/freeze';
import { isDns1123Label, isLabelValue, isQualifiedName, type NameCheck } from '../machinery/names.ts';
import { forbidden, invalid, notSupported, required, type FieldError } from './errors.ts';

/** 256 KiB for the keys and values of all annotations together. */
const maxAnnotationBytes = 262_144;

export function each<T>(
  items: readonly T[] | undefined,
  path: string,
  check: (item: T, path: string, index: number) => readonly FieldError[],
): FieldError[] {
  return (items ?? []).flatMap((item, index) => check(item, `${path}[${index}]`, index));
}

export function byName(check: NameCheck, value: string, path: string): FieldError[] {
  return check(value).map((detail) => invalid(path, value, detail));
}

export function validateLabels(labels: Readonly<Record<string, string>> | undefined, path: string): FieldError[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...byName(isQualifiedName, key, path),
    ...isLabelValue(value).map((detail) => invalid(path, value, detail)),
  ]);
}

export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: string,
): FieldError[] {
  const entries = Object.entries(annotations ?? {});
  const bytes = entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  return [
    ...entries.flatMap(([key]) => isQualifiedName(key.toLowerCase()).map((detail) => invalid(path, key, detail))),
    ...(bytes > maxAnnotationBytes
      ? [{ type: 'tooLong' as const, field: path, detail: `may not be more than ${maxAnnotationBytes} bytes` }]
      : []),
  ];
}

function validateOwner(owner: OwnerReference, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!owner.apiVersion) errors.push(invalid(`${path}.apiVersion`, owner.apiVersion, 'version must not be empty'));
  if (!owner.kind) errors.push(invalid(`${path}.kind`, owner.kind, 'must not be empty'));
  if (!owner.name) errors.push(invalid(`${path}.name`, owner.name, 'must not be empty'));
  if (!owner.uid) errors.push(invalid(`${path}.uid`, owner.uid, 'must not be empty'));
  return errors;
}

function validateOwners(owners: readonly OwnerReference[] | undefined, path: string): FieldError[] {
  const controllers = (owners ?? []).filter((owner) => owner.controller);
  const [first, second] = controllers;
  const errors = each(owners, path, (owner) => validateOwner(owner, path));
  if (first && second) {
    const detail = `Only one reference can have Controller set to true. Found "true" in references for ${first.kind}/${first.name} and ${second.kind}/${second.name}`;
    errors.push(invalid(path, owners, detail));
  }
  return errors;
}

/** Rules for `metadata` of any kind (apimachinery `ValidateObjectMeta`, release 1.36). */
export function validateObjectMeta(
  meta: ObjectMeta,
  namespaced: boolean,
  checkName: NameCheck,
  path = 'metadata',
): FieldError[] {
  const errors: FieldError[] = [];
  if (meta.generateName) {
    const stem = meta.generateName.endsWith('-') ? `${meta.generateName.slice(0, -1)}a` : meta.generateName;
    errors.push(...checkName(stem).map((detail) => invalid(`${path}.generateName`, meta.generateName, detail)));
  }
  if (!meta.name) errors.push(required(`${path}.name`, 'name or generateName is required'));
  else errors.push(...byName(checkName, meta.name, `${path}.name`));
  if (namespaced) {
    if (!meta.namespace) errors.push(required(`${path}.namespace`));
    else errors.push(...byName(isDns1123Label, meta.namespace, `${path}.namespace`));
  } else if (meta.namespace) errors.push(forbidden(`${path}.namespace`, 'not allowed on this type'));
  if ((meta.generation ?? 0) < 0) {
    errors.push(invalid(`${path}.generation`, meta.generation, 'must be greater than or equal to 0'));
  }
  return [
    ...errors,
    ...validateLabels(meta.labels, `${path}.labels`),
    ...validateAnnotations(meta.annotations, `${path}.annotations`),
    ...validateOwners(meta.ownerReferences, `${path}.ownerReferences`),
    ...each(meta.finalizers, `${path}.finalizers`, (name) => byName(isQualifiedName, name, `${path}.finalizers`)),
  ];
}

/** What may not change in `metadata` (apimachinery `ValidateObjectMetaUpdate`, release 1.36). */
export function validateObjectMetaUpdate(next: ObjectMeta, old: ObjectMeta, path = 'metadata'): FieldError[] {
  const errors: FieldError[] = [];
  const fixed: readonly (keyof ObjectMeta)[] = ['name', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp'];
  for (const key of [...fixed, 'deletionGracePeriodSeconds' as const]) {
    if (!jsonEqual(next[key], old[key])) errors.push(invalid(`${path}.${key}`, next[key], 'field is immutable'));
  }
  if (old.deletionTimestamp !== undefined) {
    const added = (next.finalizers ?? []).filter((name) => !(old.finalizers ?? []).includes(name));
    if (added.length > 0) {
      const names = added.map((name) => JSON.stringify(name)).join(', ');
      const detail = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${names}}`;
      errors.push(forbidden(`${path}.finalizers`, detail));
    }
  }
  return [
    ...errors,
    ...validateLabels(next.labels, `${path}.labels`),
    ...validateAnnotations(next.annotations, `${path}.annotations`),
    ...validateOwners(next.ownerReferences, `${path}.ownerReferences`),
  ];
}

/** Rules for a LabelSelector object (apimachinery `ValidateLabelSelector`, release 1.36). */
export function validateLabelSelector(selector: LabelSelector | undefined, path: string): FieldError[] {
  if (!selector) return [];
  return [
    ...validateLabels(selector.matchLabels, `${path}.matchLabels`),
    ...each(selector.matchExpressions, `${path}.matchExpressions`, (one, at) => {
      const count = one.values?.length ?? 0;
      const errors: FieldError[] = [];
      if (one.operator === 'In' || one.operator === 'NotIn') {
        if (count === 0) errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      } else if (one.operator === 'Exists' || one.operator === 'DoesNotExist') {
        if (count > 0) {
          errors.push(forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
        }
      } else errors.push(invalid(`${at}.operator`, one.operator, 'not a valid selector operator'));
      return [
        ...errors,
        ...byName(isQualifiedName, one.key, `${at}.key`),
        ...each(one.values, `${at}.values`, (value, valueAt) => byName(isLabelValue, value, valueAt)),
      ];
    }),
  ];
}

/** One of `supported`, or the error that says so. Undefined counts as `Required value`. */
export function oneOf(value: string | undefined, supported: readonly string[], path: string): FieldError[] {
  if (value === undefined || value === '') return [required(path)];
  return supported.includes(value) ? [] : [notSupported(path, value, supported)];
}

export function nonNegative(value: number | undefined, path: string): FieldError[] {
  return value !== undefined && value < 0 ? [invalid(path, value, 'must be greater than or equal to 0')] : [];
}
