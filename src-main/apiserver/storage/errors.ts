import type { StatusCause, StatusDetails } from '#api/machinery/status';
import { StatusError } from '#api/machinery/status';
import { CancelledError, messageOf } from '#base/errors';
import { EtcdError } from '#etcd/client';

/** A resource as error texts name it: `pods`, `deployments.apps`. */
export interface GroupResource {
  readonly group: string;
  readonly resource: string;
}

export function formatGroupResource({ group, resource }: GroupResource): string {
  return group === '' ? resource : `${resource}.${group}`;
}

function detailsOf({ group, resource }: GroupResource, name: string): StatusDetails {
  return { ...(name ? { name } : {}), ...(group ? { group } : {}), kind: resource };
}

/** The constructors of `k8s.io/apimachinery/pkg/api/errors` (release 1.36) that the API server uses. */
export function notFound(resource: GroupResource, name: string): StatusError {
  return new StatusError('NotFound', `${formatGroupResource(resource)} "${name}" not found`, detailsOf(resource, name));
}

export function alreadyExists(resource: GroupResource, name: string): StatusError {
  const message = `${formatGroupResource(resource)} "${name}" already exists`;
  return new StatusError('AlreadyExists', message, detailsOf(resource, name));
}

/** A generated name met an existing object too often; the client is asked to try again. */
export function generateNameConflict(resource: GroupResource, name: string): StatusError {
  const message = `${formatGroupResource(resource)} "${name}" already exists, the server was not able to generate a unique name for the object`;
  return new StatusError('AlreadyExists', message, { ...detailsOf(resource, name), retryAfterSeconds: 1 });
}

export function conflict(resource: GroupResource, name: string, message: string): StatusError {
  const text = `Operation cannot be fulfilled on ${formatGroupResource(resource)} "${name}": ${message}`;
  return new StatusError('Conflict', text, detailsOf(resource, name));
}

/** The text of every lost optimistic-concurrency race. */
export const modifiedMessage =
  'the object has been modified; please apply your changes to the latest version and try again';

export function modified(resource: GroupResource, name: string): StatusError {
  return conflict(resource, name, modifiedMessage);
}

export function forbidden(
  resource: GroupResource,
  name: string,
  message: string,
  causes: readonly StatusCause[] = [],
): StatusError {
  const about = formatGroupResource(resource) + (name ? ` "${name}"` : '');
  const details = detailsOf(resource, name);
  return new StatusError('Forbidden', `${about} is forbidden: ${message}`, {
    ...details,
    ...(causes.length > 0 ? { causes } : {}),
  });
}

export function badRequest(message: string): StatusError {
  return new StatusError('BadRequest', message);
}

/** A read asked for a revision the store has not reached. Clients wait a second and ask again. */
export function tooLargeResourceVersion(asked: number, current: number): StatusError {
  return new StatusError('Timeout', `Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

/** Runs a store call and turns its {@link EtcdError} into the StatusError a client sees. */
export async function fromStore<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw translateStoreError(error);
  }
}

function translateStoreError(error: unknown): unknown {
  if (error instanceof StatusError || error instanceof CancelledError) return error;
  if (error instanceof EtcdError) {
    if (error.code === 'COMPACTED') {
      return new StatusError('Expired', 'The resourceVersion for the provided list is too old.', undefined, {
        cause: error,
      });
    }
    // The texts of a real etcd begin with its name already.
    const text = error.message.startsWith('etcdserver: ') ? error.message : `etcdserver: ${error.message}`;
    // Upstream lets both through as code 500 without a reason; these tell clients that they may ask again. After TIMEOUT a write
    // may have been made, so nobody is told to send it again by himself (no Retry-After).
    if (error.code === 'UNAVAILABLE') return new StatusError('ServiceUnavailable', text, undefined, { cause: error });
    if (error.code === 'TIMEOUT') return new StatusError('Timeout', text, undefined, { cause: error });
    // As upstream, the store's own words: they say what to do.
    if (error.code === 'NO_SPACE') return new StatusError('InternalError', text, undefined, { cause: error });
    return new StatusError('InternalError', `Internal error occurred: ${text}`, undefined, { cause: error });
  }
  return new StatusError('InternalError', `Internal error occurred: ${messageOf(error)}`, undefined, { cause: error });
}
