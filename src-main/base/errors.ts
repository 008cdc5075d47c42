/** A broken invariant: a bug in Drydock itself. The component that meets it stops loudly instead of guessing. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** The awaited work was given up because its {@link Context} ended. `reason` says whether by cancel or by deadline. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';
  readonly reason: 'cancelled' | 'deadline';

  constructor(reason: 'cancelled' | 'deadline', message = reason === 'deadline' ? 'deadline exceeded' : 'cancelled') {
    super(message);
    this.reason = reason;
  }
}

/** Base of the one coded error class that each room exports at its boundary (`EtcdError`, `CriError`, ...). */
export abstract class CodedError<Code extends string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The text of anything thrown, for messages meant for people. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Returns `value` unless it is null or undefined, which breaks an invariant named by `expectation`. */
export function present<T>(value: T | null | undefined, expectation: string): T {
  if (value === null || value === undefined) throw new InvariantError(`invariant broken: ${expectation}`);
  return value;
}
