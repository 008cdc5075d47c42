import { status, type MethodDefinition, type StatusObject, Metadata } from '@grpc/grpc-js';
import { CancelledError, messageOf } from '#base/errors';
import { EtcdError, type EtcdErrorCode } from '../client.ts';
import { decodeMessage, encodeMessage } from './schema.ts';

/** Where a method's messages go through schema.ts. `shape`: how many messages each side sends. */
export function method(
  service: string,
  name: string,
  request: string,
  response: string,
  shape: 'unary' | 'stream' = 'unary',
): MethodDefinition<unknown, object> {
  return {
    path: `/etcdserverpb.${service}/${name}`,
    requestStream: shape === 'stream',
    responseStream: shape === 'stream',
    requestSerialize: (message) => encodeMessage(request, message as object),
    requestDeserialize: (bytes) => decodeMessage<unknown>(request, bytes),
    responseSerialize: (message) => encodeMessage(response, message),
    responseDeserialize: (bytes) => decodeMessage<object>(response, bytes),
  };
}

/** Names of this etcd in response headers. There is one member, and no elections: the raft term never changes. */
export interface Identity {
  readonly clusterId: number;
  readonly memberId: number;
  readonly raftTerm: number;
}

export function header(identity: Identity, revision: number): object {
  const { clusterId, memberId, raftTerm } = identity;
  return { cluster_id: clusterId, member_id: memberId, revision, raft_term: raftTerm };
}

const grpcCodes: Readonly<Record<EtcdErrorCode, status>> = {
  COMPACTED: status.OUT_OF_RANGE,
  FUTURE_REVISION: status.OUT_OF_RANGE,
  LEASE_NOT_FOUND: status.NOT_FOUND,
  LEASE_EXISTS: status.FAILED_PRECONDITION,
  NO_SPACE: status.RESOURCE_EXHAUSTED,
  CORRUPT: status.DATA_LOSS,
  DUPLICATE_KEY: status.INVALID_ARGUMENT,
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  UNAVAILABLE: status.UNAVAILABLE,
};

/** What etcd sends for an error: clients recognise it by code and text (etcd 3.6, `api/v3rpc/rpctypes/error.go`). */
export function toStatus(error: unknown): StatusObject {
  const metadata = new Metadata();
  if (error instanceof CancelledError) return { code: status.CANCELLED, details: error.message, metadata };
  if (!(error instanceof EtcdError)) return { code: status.INTERNAL, details: messageOf(error), metadata };
  const details =
    error.code === 'NO_SPACE'
      ? 'etcdserver: mvcc: database space exceeded'
      : error.code === 'CORRUPT'
        ? 'etcdserver: corrupt cluster'
        : error.message;
  return { code: grpcCodes[error.code], details, metadata };
}
