import { StatusError } from '#api/machinery/status';
import type { CallName, CallRequest } from '#contract/calls';
import type { WatchName, WatchRequest } from '#contract/watches';

/**
 * Every request that crosses is decoded here before a handler sees it: unknown names, unknown fields and wrong types are a
 * BadRequest. What comes out is a fresh object that holds nothing else.
 */

type Check = (value: unknown, path: string) => unknown;

function refuse(path: string, expectation: string): never {
  throw new StatusError('BadRequest', `${path}: ${expectation}`, {
    causes: [{ reason: 'FieldValueInvalid', field: path, message: expectation }],
  });
}

function text(options: { pattern?: RegExp; max?: number; says?: string } = {}): Check {
  const { pattern, max = 4096, says = 'must be a text' } = options;
  return (value, path) => {
    if (typeof value !== 'string' || value.length > max || (pattern && !pattern.test(value))) refuse(path, says);
    return value;
  };
}

function whole(min: number, max: number): Check {
  return (value, path) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
      refuse(path, `must be a whole number from ${min} to ${max}`);
    return value;
  };
}

function oneOf(...choices: readonly string[]): Check {
  return (value, path) => {
    if (typeof value !== 'string' || !choices.includes(value)) refuse(path, `must be one of ${choices.join(', ')}`);
    return value;
  };
}

const flag: Check = (value, path) => {
  if (typeof value !== 'boolean') refuse(path, 'must be true or false');
  return value;
};

/** Any JSON value; the API server validates bodies itself. */
const anything: Check = (value) => value;

const texts: Check = (value, path) => {
  const entries = Object.entries(record(value, path));
  if (entries.length > 32) refuse(path, 'has too many entries');
  return Object.fromEntries(entries.map(([key, item]) => [key, text()(item, `${path}.${key}`)]));
};

function optional(check: Check): Check {
  return (value, path) => (value === undefined ? undefined : check(value, path));
}

function record(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(path, 'must be an object');
  return value as Record<string, unknown>;
}

function fields(checks: Readonly<Record<string, Check>>): Check {
  return (value, path) => {
    const given = record(value, path);
    for (const key of Object.keys(given))
      if (!Object.hasOwn(checks, key)) refuse(`${path}.${key}`, 'is not a known field');
    const decoded: Record<string, unknown> = {};
    for (const [key, check] of Object.entries(checks)) {
      const result = check(given[key], `${path}.${key}`);
      if (result !== undefined) decoded[key] = result;
    }
    return decoded;
  };
}

const label = text({
  pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
  max: 63,
  says: 'must be lower-case letters, digits and dashes, and begin and end with a letter or digit (63 at most)',
});
const subdomain = text({
  pattern: /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/,
  max: 253,
  says: 'must be lower-case letters, digits, dashes and dots',
});
const lab = { lab: label };
const node = { ...lab, node: subdomain };
const empty = fields({});
const resourceName = text({ pattern: /^[a-z][-a-z0-9]*$/, max: 63, says: 'must be a lower-case plural' });

const callChecks: { readonly [N in CallName]: Check } = {
  'host.info': empty,
  'labs.list': empty,
  'lab.create': fields({
    name: label,
    driver: oneOf('embedded', 'docker', 'ssh'),
    masters: whole(1, 7),
    workers: whole(0, 200),
  }),
  'lab.start': fields(lab),
  'lab.stop': fields(lab),
  'lab.delete': fields(lab),
  'node.add': fields({ ...lab, node: optional(subdomain) }),
  'node.kill': fields(node),
  'node.start': fields(node),
  'node.delete': fields(node),
  'api.request': fields({
    ...lab,
    method: oneOf('GET', 'POST', 'PUT', 'PATCH', 'DELETE'),
    path: text({ pattern: /^\/[^?#\s]*$/, says: 'must be an absolute path without query' }),
    query: optional(texts),
    body: optional(anything),
    contentType: optional(text({ pattern: /^[\w.+-]+\/[\w.+-]+$/, max: 100, says: 'must be a media type' })),
  }),
  'store.get': fields({ ...lab, key: text(), revision: optional(whole(1, Number.MAX_SAFE_INTEGER)) }),
  'store.range': fields({ ...lab, prefix: text(), limit: whole(1, 100_000) }),
  'pod.logs': fields({
    ...lab,
    namespace: label,
    pod: subdomain,
    container: label,
    tailLines: whole(1, 100_000),
    previous: optional(flag),
  }),
  'settings.get': empty,
  'settings.set': fields({
    change: fields({
      theme: optional(oneOf('system', 'light', 'dark')),
      panelWidthPx: optional(whole(240, 2000)),
      panelTab: optional(text({ max: 40 })),
      lab: optional(text({ max: 63 })),
      masters: optional(whole(1, 7)),
      workers: optional(whole(0, 200)),
    }),
  }),
};

const watchChecks: { readonly [N in WatchName]: Check } = {
  labs: empty,
  objects: fields({
    ...lab,
    group: text({ pattern: /^([a-z0-9][-.a-z0-9]*)?$/, max: 253, says: 'must be an API group' }),
    version: text({ pattern: /^v[0-9][a-z0-9]*$/, max: 63, says: 'must be an API version' }),
    resource: resourceName,
    namespace: optional(label),
  }),
  store: fields({
    ...lab,
    prefix: optional(text()),
    fromRevision: optional(whole(1, Number.MAX_SAFE_INTEGER)),
  }),
  components: fields(lab),
};

export function isCallName(name: string): name is CallName {
  return Object.hasOwn(callChecks, name);
}

export function isWatchName(name: string): name is WatchName {
  return Object.hasOwn(watchChecks, name);
}

/** Throws StatusError BadRequest. */
export function decodeCall<N extends CallName>(name: N, request: unknown): CallRequest<N> {
  return callChecks[name](request, name) as CallRequest<N>;
}

/** Throws StatusError BadRequest. */
export function decodeWatch<N extends WatchName>(name: N, request: unknown): WatchRequest<N> {
  return watchChecks[name](request, name) as WatchRequest<N>;
}
