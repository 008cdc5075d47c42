import { status } from '@grpc/grpc-js';
import { EtcdError, type EtcdErrorCode, type Revision } from '../client.ts';

/**
 * What a failed call says about the request. `answered`: etcd decided, asking again gives the same. `refused`: it was not
 * carried out, another member may do it. `lost`: nobody knows whether it was.
 */
export type FailureKind = 'answered' | 'refused' | 'lost';

export interface GrpcFailure {
  readonly code: status;
  readonly details: string;
}

/** COMPACTED, with the revision from which on there is history. */
export class CompactedError extends EtcdError {
  readonly compactRevision: Revision;

  constructor(compactRevision: Revision) {
    super('COMPACTED', 'etcdserver: mvcc: required revision has been compacted');
    this.compactRevision = compactRevision;
  }
}

/**
 * gRPC codes and texts of etcd, which together are how its clients recognise an error (etcd 3.4 to 3.6,
 * `api/v3rpc/rpctypes/error.go`): a code alone stands for several.
 */
const answers: readonly (readonly [status, string | undefined, EtcdErrorCode])[] = [
  [status.OUT_OF_RANGE, 'etcdserver: mvcc: required revision is a future revision', 'FUTURE_REVISION'],
  [status.OUT_OF_RANGE, undefined, 'COMPACTED'],
  [status.NOT_FOUND, 'etcdserver: requested lease not found', 'LEASE_NOT_FOUND'],
  [status.FAILED_PRECONDITION, 'etcdserver: lease already exists', 'LEASE_EXISTS'],
  [status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded', 'NO_SPACE'],
  [status.DATA_LOSS, undefined, 'CORRUPT'],
  [status.INVALID_ARGUMENT, 'etcdserver: duplicate key given in txn request', 'DUPLICATE_KEY'],
  [status.INVALID_ARGUMENT, undefined, 'INVALID_ARGUMENT'],
  [status.NOT_FOUND, undefined, 'INVALID_ARGUMENT'],
  [status.FAILED_PRECONDITION, undefined, 'INVALID_ARGUMENT'],
  [status.PERMISSION_DENIED, undefined, 'INVALID_ARGUMENT'],
  [status.UNAUTHENTICATED, undefined, 'INVALID_ARGUMENT'],
  [status.UNIMPLEMENTED, undefined, 'UNAVAILABLE'],
];

/** What etcd says before it has proposed anything, so that another member may be asked. */
const refusals: ReadonlySet<string> = new Set([
  'etcdserver: no leader',
  'etcdserver: not leader',
  'etcdserver: too many requests',
  'etcdserver: unhealthy cluster',
  'raft proposal dropped',
]);

export function kindOf(failure: GrpcFailure): FailureKind {
  if (refusals.has(failure.details)) return 'refused';
  return answerOf(failure) === undefined ? 'lost' : 'answered';
}

function answerOf({ code, details }: GrpcFailure): EtcdErrorCode | undefined {
  return answers.find(([one, text]) => one === code && (text === undefined || text === details))?.[2];
}

/** The error callers see. For a `lost` request TIMEOUT, which says that its outcome is not known. */
export function toEtcdError(failure: GrpcFailure, endpoint: string): EtcdError {
  const { details } = failure;
  if (refusals.has(details)) return new EtcdError('UNAVAILABLE', details);
  const code = answerOf(failure);
  if (code !== undefined) return new EtcdError(code, details);
  // etcd's own texts stand for themselves; those of the connection need to say where.
  const text = details.startsWith('etcdserver: ') ? details : `etcdserver: request timed out (${endpoint}: ${details})`;
  return new EtcdError('TIMEOUT', text);
}
