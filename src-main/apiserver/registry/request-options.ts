import type { ApiRequest } from '../request.ts';
import { badRequest } from '../storage/errors.ts';

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

/** What the query of a write may say (`metav1.CreateOptions` and its kin, release 1.36). */
export interface WriteQuery {
  readonly dryRun: boolean;
  readonly fieldManager: string;
  readonly fieldValidation: FieldValidation;
  readonly force: boolean;
}

export interface ListQuery {
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly limit: number;
  readonly continueToken: string | undefined;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: 'Exact' | 'NotOlderThan' | undefined;
  readonly allowWatchBookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
  readonly timeoutSeconds: number | undefined;
}

/** Present without a value counts as true, as upstream decodes query booleans. */
function readBoolean(query: URLSearchParams, name: string): boolean | undefined {
  const value = query.get(name);
  return value === null ? undefined : value !== 'false' && value !== '0';
}

function readInteger(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null || value === '') return undefined;
  const number = Number(value);
  if (!Number.isSafeInteger(number)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
  }
  return number;
}

/** The part of the user agent before the first slash, which upstream takes as the name of a manager that gives none. */
export function managerOfUserAgent(userAgent: string): string {
  return userAgent.split('/')[0]?.slice(0, 128) || 'unknown';
}

export function readWriteQuery(request: ApiRequest, extraDryRun: readonly string[] = []): WriteQuery {
  const { query } = request;
  const dryRun = [...query.getAll('dryRun'), ...extraDryRun].filter((value) => value !== '');
  const unknown = dryRun.find((value) => value !== 'All');
  if (unknown !== undefined) {
    throw badRequest(`dryRun: Unsupported value: ${JSON.stringify(unknown)}: supported values: "All"`);
  }
  const fieldValidation = query.get('fieldValidation') || 'Warn';
  if (fieldValidation !== 'Ignore' && fieldValidation !== 'Warn' && fieldValidation !== 'Strict') {
    throw badRequest(
      `fieldValidation: Unsupported value: ${JSON.stringify(fieldValidation)}: supported values: "", "Ignore", "Strict", "Warn"`,
    );
  }
  return {
    dryRun: dryRun.length > 0,
    fieldManager: query.get('fieldManager') || managerOfUserAgent(request.headers['user-agent'] ?? ''),
    fieldValidation,
    force: readBoolean(query, 'force') ?? false,
  };
}

export function readListQuery(query: URLSearchParams): ListQuery {
  const match = query.get('resourceVersionMatch') || undefined;
  if (match !== undefined && match !== 'Exact' && match !== 'NotOlderThan') {
    throw badRequest(
      `resourceVersionMatch: Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan", ""`,
    );
  }
  return {
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
    limit: Math.max(0, readInteger(query, 'limit') ?? 0),
    continueToken: query.get('continue') || undefined,
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: match,
    allowWatchBookmarks: readBoolean(query, 'allowWatchBookmarks') ?? false,
    sendInitialEvents: readBoolean(query, 'sendInitialEvents'),
    timeoutSeconds: readInteger(query, 'timeoutSeconds'),
  };
}

/** The revision a resourceVersion names. Throws BadRequest for text that no server has handed out. */
export function parseResourceVersion(text: string): number {
  if (text === '') return 0;
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) {
    throw badRequest(
      `Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  }
  return number;
}

/** The rules of `ValidateListOptions` (k8s.io/apimachinery, release 1.36) on what may go with what. */
export function checkListQuery(options: ListQuery, isWatch: boolean): void {
  const { resourceVersionMatch: match, resourceVersion, continueToken, sendInitialEvents } = options;
  if (isWatch) {
    if (sendInitialEvents !== undefined && match !== 'NotOlderThan') {
      throw badRequest(
        'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      );
    }
    if (sendInitialEvents === undefined && match !== undefined) {
      throw badRequest(
        'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      );
    }
    return;
  }
  if (sendInitialEvents !== undefined)
    throw badRequest('sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list');
  if (continueToken && resourceVersion !== '' && resourceVersion !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  if (match === undefined) return;
  if (continueToken)
    throw badRequest('resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided');
  if (resourceVersion === '') {
    throw badRequest(
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    );
  }
  if (match === 'Exact' && resourceVersion === '0') {
    throw badRequest(
      'resourceVersionMatch: Forbidden: resourceVersionMatch "Exact" is forbidden for resourceVersion "0"',
    );
  }
}
