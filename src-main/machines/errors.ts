import { CodedError } from '#base/errors';

/** Every one of these is shown to a person as it is: its message says what happened and what to do. */
export type MachineErrorCode =
  /** Docker, or a program on the machine, is not there. */
  | 'MISSING'
  /** It is there, and too old. */
  | 'TOO_OLD'
  | 'FORBIDDEN'
  | 'NO_SPACE'
  | 'ADDRESS_CLASH'
  | 'UNREACHABLE'
  /** The host key is not the one that was trusted, or none was trusted yet. */
  | 'HOST_KEY'
  /** This driver, kernel or machine cannot do it. */
  | 'UNSUPPORTED'
  | 'INVALID'
  | 'FAILED';

export class MachineError extends CodedError<MachineErrorCode> {
  override readonly name = 'MachineError';
}
