import type { Status } from '#api/machinery/status';
import { StatusError } from '#api/machinery/status';
import type { ApiResponse } from '../request.ts';

export function objectResponse(object: unknown, status = 200, warnings: readonly string[] = []): ApiResponse {
  const headers = warnings.length > 0 ? { headers: { warning: warnings.map(warningHeader).join(', ') } } : {};
  return { kind: 'object', status, object, ...headers };
}

/** RFC 7234 warn-text; clients such as kubectl print it. */
function warningHeader(text: string): string {
  return `299 - ${JSON.stringify(text)}`;
}

const success: Status = Object.freeze({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: Object.freeze({}),
  status: 'Success',
  code: 201,
});

/** What binding and eviction answer. */
export function successResponse(): ApiResponse {
  return objectResponse(success, 201);
}

/** The path names nothing that is served. */
export function unknownResource(): StatusError {
  return new StatusError('NotFound', 'the server could not find the requested resource', {});
}

export function methodNotAllowed(): StatusError {
  return new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}
