/** Reasons of `metav1.StatusReason` (k8s.io/apimachinery, release 1.36) with the HTTP status each of them carries. */
export const statusCodes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  ServerTimeout: 500,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof statusCodes;

export interface StatusCause {
  /** For example `FieldValueRequired`. */
  readonly reason?: string;
  readonly message?: string;
  /** JSON path, for example `spec.containers[0].image`. */
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** `metav1.Status` as it crosses the wire. */
export interface Status {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: Readonly<Record<string, never>>;
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: StatusReason;
  readonly details?: StatusDetails;
  readonly code: number;
}

/** The one error of the API: what the API server throws, what clients get back. */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly reason: StatusReason;
  readonly code: number;
  readonly details: StatusDetails | undefined;

  constructor(
    reason: StatusReason,
    message: string,
    details?: StatusDetails,
    options?: { cause?: unknown; code?: number },
  ) {
    super(message, options);
    this.reason = reason;
    this.code = options?.code ?? statusCodes[reason];
    this.details = details;
  }

  toStatus(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details ? { details: this.details } : {}),
      code: this.code,
    };
  }

  /** Reads a Status that came over the wire; anything else becomes an InternalError that quotes it. */
  static fromWire(code: number, body: unknown): StatusError {
    if (typeof body === 'object' && body !== null && (body as { kind?: unknown }).kind === 'Status') {
      const status = body as Status;
      const reason = status.reason && status.reason in statusCodes ? status.reason : reasonOfCode(status.code || code);
      return new StatusError(reason, status.message ?? reason, status.details, { code: status.code || code });
    }
    return new StatusError(reasonOfCode(code), typeof body === 'string' && body ? body : `the server answered ${code}`);
  }
}

function reasonOfCode(code: number): StatusReason {
  for (const [reason, its] of Object.entries(statusCodes)) if (its === code) return reason as StatusReason;
  return 'InternalError';
}

/** Whether `error` is a {@link StatusError} with one of `reasons`. */
export function isStatus(error: unknown, ...reasons: StatusReason[]): error is StatusError {
  return error instanceof StatusError && (reasons.length === 0 || reasons.includes(error.reason));
}
