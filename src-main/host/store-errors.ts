import { StatusError } from '#api/machinery/status';
import { CancelledError, messageOf } from '#base/errors';
import { EtcdError, type EtcdErrorCode } from '#etcd/client';
import type { StatusReason } from '#api/machinery/status';

const reasons: Readonly<Partial<Record<EtcdErrorCode, StatusReason>>> = {
  COMPACTED: 'Expired',
  FUTURE_REVISION: 'BadRequest',
  INVALID_ARGUMENT: 'BadRequest',
  LEASE_NOT_FOUND: 'NotFound',
};

const openings: Readonly<Partial<Record<EtcdErrorCode, string>>> = {
  COMPACTED: 'that revision was compacted: ',
  UNAVAILABLE: 'the store does not answer: ',
};

/** Errors of the store as its window shows them: NotFound, Expired, BadRequest, else ServiceUnavailable. */
export async function fromStore<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw storeStatusError(error);
  }
}

export function storeStatusError(cause: unknown): StatusError {
  if (cause instanceof StatusError) return cause;
  if (cause instanceof CancelledError) return new StatusError('Timeout', cause.message, undefined, { cause });
  if (!(cause instanceof EtcdError)) return new StatusError('InternalError', messageOf(cause), undefined, { cause });
  const text = `${openings[cause.code] ?? ''}${cause.message}`;
  return new StatusError(reasons[cause.code] ?? 'ServiceUnavailable', text, undefined, { cause });
}
