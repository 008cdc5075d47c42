import type { ApiRequest } from '../request.ts';
import { badRequest } from '../storage/errors.ts';
import type { Preconditions } from '../storage/object-store.ts';
import { readWriteQuery } from './request-options.ts';

export type Propagation = 'Orphan' | 'Background' | 'Foreground';

/** `metav1.DeleteOptions` from the body, or where it has none from the query. */
export interface DeleteOptions {
  readonly gracePeriodSeconds: number | undefined;
  readonly propagation: Propagation | undefined;
  readonly preconditions: Preconditions | undefined;
  readonly dryRun: boolean;
}

function readGrace(request: ApiRequest, body: Record<string, unknown>): number | undefined {
  const value = body['gracePeriodSeconds'] ?? request.query.get('gracePeriodSeconds') ?? undefined;
  if (value === undefined) return undefined;
  const seconds = Number(value);
  if (!Number.isSafeInteger(seconds)) throw badRequest(`gracePeriodSeconds: Invalid value: ${JSON.stringify(value)}`);
  // Upstream takes a negative period as the shortest one.
  return seconds < 0 ? 1 : seconds;
}

function readPropagation(request: ApiRequest, body: Record<string, unknown>): Propagation | undefined {
  const orphan = body['orphanDependents'] ?? request.query.get('orphanDependents') ?? undefined;
  const policy = body['propagationPolicy'] ?? request.query.get('propagationPolicy') ?? undefined;
  if (orphan !== undefined && policy !== undefined) {
    throw badRequest(
      'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: orphanDependents and deletionPropagation cannot be both set',
    );
  }
  if (orphan !== undefined) return String(orphan) === 'true' ? 'Orphan' : 'Background';
  if (policy === undefined || policy === '') return undefined;
  if (policy === 'Orphan' || policy === 'Background' || policy === 'Foreground') return policy;
  throw badRequest(
    `DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: ${JSON.stringify(policy)}: supported values: "Background", "Foreground", "Orphan", "nil"`,
  );
}

export function readDeleteOptions(request: ApiRequest): DeleteOptions {
  const body = (typeof request.body === 'object' && request.body !== null ? request.body : {}) as Record<
    string,
    unknown
  >;
  const bodyDryRun = Array.isArray(body['dryRun']) ? body['dryRun'].map(String) : [];
  const preconditions = body['preconditions'] as Preconditions | null | undefined;
  return {
    gracePeriodSeconds: readGrace(request, body),
    propagation: readPropagation(request, body),
    preconditions: preconditions ?? undefined,
    dryRun: readWriteQuery(request, bodyDryRun).dryRun,
  };
}
