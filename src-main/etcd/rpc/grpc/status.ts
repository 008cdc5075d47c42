import { CodedError } from '#base/errors';

/** gRPC's status codes (`doc/statuscodes.md`). */
export const grpcCodes = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
} as const;

/** What a call ends with when it fails: code and text go to the client as they are. */
export class GrpcError extends CodedError<keyof typeof grpcCodes> {
  override readonly name = 'GrpcError';
}

const unsafe = /[^\x20-\x24\x26-\x7e]+/g;

/** The spelling of a text in the trailer `grpc-message`: UTF-8, all but printable ASCII (and `%`) as `%XX`. */
export function encodeGrpcMessage(text: string): string {
  return text.replace(unsafe, (run) =>
    Array.from(Buffer.from(run, 'utf8'), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

const timeoutUnitsMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds of a `grpc-timeout` header; undefined when it is malformed. */
export function parseGrpcTimeout(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  const unitMs = timeoutUnitsMs[unit];
  return unitMs === undefined ? undefined : Number(digits) * unitMs;
}
