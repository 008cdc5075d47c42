import type { KubeObject } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import { resourceOfObject } from '#api/resources/table';
import type { ResourceDefinition } from '#api/resources/definition';
import type { Context } from '#base/context';
import { jsonEqual } from '#base/freeze';
import { InvariantError } from '#base/errors';
import type { PostStartHook } from '../api-server.ts';
import { loopbackUser } from '../auth/bootstrap/loopback-user.ts';
import type { ApiHandler, ApiRequest } from '../request.ts';

const userAgent = 'kube-apiserver/v1.36.0 (drydock)';

/** A hook that creates those of `objects` that are not there. What is there stays as people changed it. */
export function ensureObjects(objects: readonly KubeObject[]): PostStartHook {
  return async (context, handler) => {
    await Promise.all(objects.map((object) => ensureObject(context, handler, object)));
  };
}

async function ensureObject(context: Context, handler: ApiHandler, object: KubeObject): Promise<void> {
  if (await findObject(context, handler, object)) return;
  try {
    await handler.handle(context, loopbackRequest('POST', collectionPath(object), object));
  } catch (error) {
    // Another API server of the same cluster was faster; it may also have taken the address that the object asks for.
    if (isStatus(error, 'AlreadyExists')) return;
    if (!isStatus(error, 'Invalid') || !(await findObject(context, handler, object))) throw error;
  }
}

/** Creates the object, or makes the stored one's `fields` those of `object`. */
export async function reconcileObject<T extends KubeObject>(
  context: Context,
  handler: ApiHandler,
  object: T,
  fields: readonly (keyof T & string)[],
): Promise<void> {
  const found = (await findObject(context, handler, object)) as T | undefined;
  if (!found) return ensureObject(context, handler, object);
  if (fields.every((field) => jsonEqual(found[field], object[field]))) return;
  const next = { ...found, ...Object.fromEntries(fields.map((field) => [field, object[field]])) };
  const path = `${collectionPath(object)}/${object.metadata.name ?? ''}`;
  try {
    await handler.handle(context, loopbackRequest('PUT', path, next));
  } catch (error) {
    if (!isStatus(error, 'Conflict')) throw error;
    await reconcileObject(context, handler, object, fields);
  }
}

async function findObject(context: Context, handler: ApiHandler, object: KubeObject): Promise<KubeObject | undefined> {
  const path = `${collectionPath(object)}/${encodeURIComponent(object.metadata.name ?? '')}`;
  try {
    const answer = await handler.handle(context, loopbackRequest('GET', path, undefined));
    return answer.kind === 'object' ? (answer.object as KubeObject) : undefined;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  }
}

function loopbackRequest(method: 'GET' | 'POST' | 'PUT', path: string, body: unknown): ApiRequest {
  const headers = { 'user-agent': userAgent };
  return {
    ...{ method, path, query: new URLSearchParams(), headers, body },
    ...{ contentType: 'application/json', user: loopbackUser, cause: undefined },
  };
}

function collectionPath(object: KubeObject): string {
  const row: ResourceDefinition | undefined = resourceOfObject(object);
  if (!row) throw new InvariantError(`no resource is served for ${object.apiVersion} ${object.kind}`);
  const root = row.group === '' ? `/api/${row.version}` : `/apis/${row.group}/${row.version}`;
  return row.namespaced
    ? `${root}/namespaces/${object.metadata.namespace ?? ''}/${row.plural}`
    : `${root}/${row.plural}`;
}
