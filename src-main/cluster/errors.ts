import { CodedError } from '#base/errors';

export type ClusterErrorCode =
  | 'HOME_IN_USE'
  | 'HOME_DAMAGED'
  | 'HOME_UNWRITABLE'
  | 'LAB_EXISTS'
  | 'LAB_MISSING'
  | 'LAB_RUNNING'
  | 'LAB_STOPPED'
  | 'NODE_EXISTS'
  | 'NODE_MISSING'
  | 'MASTER_MISSING'
  | 'MEMBER_MISSING'
  | 'PORT_TAKEN'
  | 'INVALID'
  | 'UNSUPPORTED'
  | 'TIMEOUT';

/** What goes wrong when labs are made, found, started and changed. The message is one line that says what to do. */
export class ClusterError extends CodedError<ClusterErrorCode> {
  override readonly name = 'ClusterError';
}
