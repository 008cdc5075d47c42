import { CodedError } from '#base/errors';

/**
 * `InvalidArchive`: the file is no image archive. `InvalidName`: no image reference. `InvalidBusybox`: no static busybox.
 * `MissingProgram`: this computer lacks a program that the message names. `BuildFailed`: it ran and failed.
 */
export type ImageErrorCode = 'InvalidArchive' | 'InvalidName' | 'InvalidBusybox' | 'MissingProgram' | 'BuildFailed';

export class ImageError extends CodedError<ImageErrorCode> {
  override readonly name = 'ImageError';
}
