import { CodedError } from '#base/errors';

export type NetworkErrorCode =
  /** A program of the node (ip, nft, bridge) is not installed. */
  | 'MISSING_PROGRAM'
  /** It ended with another code than 0: the message carries what it said. */
  | 'COMMAND_FAILED';

export class NetworkError extends CodedError<NetworkErrorCode> {
  override readonly name = 'NetworkError';
}
