import { StatusError } from '#api/machinery/status';

/** What a request is about, from its method and URL alone (`RequestInfo` of k8s.io/apiserver, release 1.36). */
export interface RequestInfo {
  /** Whether the path names an API resource; otherwise only `verb` and `path` are set. */
  readonly isResourceRequest: boolean;
  /** `get list watch create update patch delete deletecollection`; for other paths the method in lower case. */
  readonly verb: string;
  /** The path as it was asked for, percent-decoded. */
  readonly path: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** Path segments from the resource on: `['pods', 'web-0', 'log']`, or `['services', 'web', 'proxy', 'a', 'b']`. */
  readonly parts: readonly string[];
  /** `metadata.name=` of a field selector counts as the name of a list or watch, as upstream has it for RBAC. */
  readonly fieldSelector: string;
  readonly labelSelector: string;
}

const verbOfMethod: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Namespace subresources, which would otherwise read as resources of the namespace. */
const namespaceSubresources = new Set(['status', 'finalize']);

/** Throws BadRequest when the path is not valid percent-encoding. */
export function parseRequestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const segments = path.split('/').filter(Boolean).map(decodeSegment);
  const nonResource = (): RequestInfo => ({
    ...{ isResourceRequest: false, verb: method.toLowerCase(), path: decodeSegment(path) },
    ...{ group: '', version: '', resource: '', subresource: '', namespace: '', name: '', parts: [] },
    ...{ fieldSelector: '', labelSelector: '' },
  });
  const [root] = segments;
  const prefixLength = root === 'api' ? 2 : root === 'apis' ? 3 : 0;
  if (prefixLength === 0 || segments.length <= prefixLength) return nonResource();
  const group = root === 'apis' ? (segments[1] ?? '') : '';
  const version = segments[prefixLength - 1] ?? '';
  let rest = segments.slice(prefixLength);
  let verb = verbOfMethod[method] ?? method.toLowerCase();
  if (rest[0] === 'watch' && rest.length > 1 && verb === 'get') {
    verb = 'watch';
    rest = rest.slice(1);
  }
  const { namespace, parts } = splitNamespace(rest);
  const [resource = '', name = '', subresource = ''] = parts;
  const fieldSelector = query.get('fieldSelector') ?? '';
  const info = {
    isResourceRequest: true,
    path: decodeSegment(path),
    group,
    version,
    resource,
    subresource,
    namespace,
    parts,
  };
  const selectors = { fieldSelector, labelSelector: query.get('labelSelector') ?? '' };
  if (name === '' && verb === 'get') verb = isTrue(query.get('watch')) ? 'watch' : 'list';
  else if (name !== '' && verb === 'get' && isTrue(query.get('watch'))) verb = 'watch';
  else if (name === '' && verb === 'delete') verb = 'deletecollection';
  const collection = verb === 'list' || verb === 'watch' || verb === 'deletecollection';
  return { ...info, ...selectors, verb, name: name || (collection ? nameOfSelector(fieldSelector) : '') };
}

function splitNamespace(rest: readonly string[]): { namespace: string; parts: readonly string[] } {
  const [first, namespace = '', third] = rest;
  if (first !== 'namespaces' || rest.length < 2) return { namespace: '', parts: rest };
  // A request for a namespace itself counts as one inside it, as upstream has it.
  if (third === undefined || namespaceSubresources.has(third)) return { namespace, parts: rest };
  return { namespace, parts: rest.slice(2) };
}

function nameOfSelector(fieldSelector: string): string {
  return /(?:^|,)metadata\.name==?([^,]+)/.exec(fieldSelector)?.[1] ?? '';
}

/** A boolean query parameter: present without a value counts as true, as upstream decodes it. */
export function isTrue(value: string | null): boolean {
  return value !== null && value.toLowerCase() !== 'false' && value !== '0';
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw new StatusError('BadRequest', `invalid URL escape in ${JSON.stringify(segment)}`, undefined, { cause });
  }
}

/** Whether the answer to a request may take for ever, as upstream decides it: watches, and streams of bytes. */
export function isLongRunning(info: RequestInfo): boolean {
  if (!info.isResourceRequest) return false;
  return info.verb === 'watch' || ['log', 'exec', 'attach', 'portforward', 'proxy'].includes(info.subresource);
}
