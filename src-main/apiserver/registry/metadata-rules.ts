import type { ObjectMeta } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { generatedName } from '#api/machinery/names';
import { StatusError } from '#api/machinery/status';
import { formatTime } from '#base/clock';
import type { Random } from '#base/random';
import { badRequest } from '../storage/errors.ts';
import type { ServedResource } from './served-resource.ts';

/** The body's namespace against the URL's (`EnsureObjectNamespaceMatchesRequestNamespace`, release 1.36). */
export function matchNamespace<T extends KubeObject>(served: ServedResource, object: T, namespace: string): T {
  const own = object.metadata.namespace ?? '';
  if (!served.namespaced) {
    if (own === '') return object;
    const { namespace: _, ...metadata } = object.metadata;
    return { ...object, metadata };
  }
  if (own === namespace) return object;
  if (own !== '') {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  return { ...object, metadata: { ...object.metadata, namespace } };
}

/** The body's name against the URL's. */
export function matchName<T extends KubeObject>(object: T, name: string): T {
  const own = object.metadata.name ?? '';
  if (own === name) return object;
  if (own !== '') throw badRequest(`the name of the object (${own}) does not match the name on the URL (${name})`);
  return { ...object, metadata: { ...object.metadata, name } };
}

export function needsGeneratedName(object: KubeObject): boolean {
  return !object.metadata.name && Boolean(object.metadata.generateName);
}

export function withGeneratedName<T extends KubeObject>(object: T, random: Random): T {
  const name = generatedName(object.metadata.generateName ?? '', random);
  return { ...object, metadata: { ...object.metadata, name } };
}

/** What the server sets on every new object, whatever the client sent (`rest.FillObjectMetaSystemFields`). */
export function newMetadata<T extends KubeObject>(object: T, nowMs: number, random: Random): T {
  if (object.metadata.resourceVersion) {
    const message = 'resourceVersion should not be set on objects to be created';
    throw new StatusError('InternalError', message);
  }
  const {
    deletionTimestamp: _1,
    deletionGracePeriodSeconds: _2,
    selfLink: _3,
    resourceVersion: _4,
    ...kept
  } = object.metadata;
  const metadata: ObjectMeta = { ...kept, uid: random.uuid(), creationTimestamp: formatTime(nowMs) };
  return { ...object, metadata };
}

const preserved = [
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
] as const;

/** What no update changes, taken from the stored version (`rest.BeforeUpdate`). */
export function keptMetadata<T extends KubeObject>(object: T, old: KubeObject): T {
  const metadata: { -readonly [K in keyof ObjectMeta]: ObjectMeta[K] } = { ...object.metadata };
  for (const key of preserved) {
    if (old.metadata[key] === undefined) delete metadata[key];
    else Object.assign(metadata, { [key]: old.metadata[key] });
  }
  if (old.metadata.resourceVersion !== undefined) metadata.resourceVersion = old.metadata.resourceVersion;
  delete metadata.selfLink;
  return { ...object, metadata };
}
