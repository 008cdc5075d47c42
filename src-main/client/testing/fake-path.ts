import { StatusError } from '#api/machinery/status';

/** A REST path taken apart. */
export interface ParsedPath {
  readonly group: string;
  /** `apps/v1`. */
  readonly apiVersion: string;
  readonly resource: string;
  /** `apiVersion/resource`: what objects are stored under. */
  readonly collection: string;
  readonly namespace: string;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** Takes `/apis/apps/v1/namespaces/default/deployments/web/status` apart. Throws NotFound for anything else. */
export function parsePath(path: string): ParsedPath {
  const [root, ...rest] = path.split('/').slice(1).map(decodeURIComponent);
  const group = root === 'apis' ? (rest.shift() ?? '') : '';
  const version = rest.shift() ?? '';
  // `namespaces/x/pods` is a namespaced collection; `namespaces/x` and its subresources are the Namespace itself.
  const scoped = rest[0] === 'namespaces' && rest.length > 2 && !['status', 'finalize'].includes(rest[2] ?? '');
  const namespace = scoped ? (rest[1] ?? '') : '';
  const [resource = '', name, subresource] = scoped ? rest.slice(2) : rest;
  if (!resource) throw new StatusError('NotFound', 'the server could not find the requested resource');
  const apiVersion = group === '' ? version : `${group}/${version}`;
  return { group, apiVersion, resource, collection: `${apiVersion}/${resource}`, namespace, name, subresource };
}
