import { CancelledError, messageOf } from '#base/errors';
import { EtcdError, type EtcdErrorCode } from '../client.ts';
import { GrpcError, type grpcCodes } from './grpc/status.ts';

type Code = keyof typeof grpcCodes;

const codes: Readonly<Record<EtcdErrorCode, Code>> = {
  COMPACTED: 'OUT_OF_RANGE',
  FUTURE_REVISION: 'OUT_OF_RANGE',
  LEASE_NOT_FOUND: 'NOT_FOUND',
  LEASE_EXISTS: 'FAILED_PRECONDITION',
  NO_SPACE: 'RESOURCE_EXHAUSTED',
  CORRUPT: 'DATA_LOSS',
  DUPLICATE_KEY: 'INVALID_ARGUMENT',
  INVALID_ARGUMENT: 'INVALID_ARGUMENT',
  UNAVAILABLE: 'UNAVAILABLE',
  TIMEOUT: 'UNAVAILABLE',
};

/** Texts of etcd for what the store words for people, with the name of its file. */
const texts: Readonly<Partial<Record<EtcdErrorCode, string>>> = {
  NO_SPACE: 'etcdserver: mvcc: database space exceeded',
  CORRUPT: 'etcdserver: corrupt cluster',
};

/** Where etcd's code is finer than the store's. */
const codesOfTexts: Readonly<Record<string, Code>> = {
  'etcdserver: too large lease TTL': 'OUT_OF_RANGE',
};

/** What etcd sends for an error: clients recognise it by code and text (etcd 3.6, `api/v3rpc/rpctypes/error.go`). */
export function statusOf(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error;
  if (error instanceof CancelledError) {
    return error.reason === 'deadline'
      ? new GrpcError('DEADLINE_EXCEEDED', 'context deadline exceeded', { cause: error })
      : new GrpcError('CANCELLED', 'context canceled', { cause: error });
  }
  if (!(error instanceof EtcdError)) return new GrpcError('UNKNOWN', messageOf(error), { cause: error });
  const code = codesOfTexts[error.message] ?? codes[error.code];
  return new GrpcError(code, texts[error.code] ?? error.message, { cause: error });
}

/** etcd's answers that the services give by themselves. */
export function refuse(code: Code, text: string): GrpcError {
  return new GrpcError(code, `etcdserver: ${text}`);
}
