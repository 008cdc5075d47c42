import { CodedError } from '#base/errors';

/** `InvalidArchive`: the file is no image archive. `InvalidName`: no image reference. `InvalidBusybox`: no static busybox. */
export type ImageErrorCode = 'InvalidArchive' | 'InvalidName' | 'InvalidBusybox';

export class ImageError extends CodedError<ImageErrorCode> {
  override readonly name = 'ImageError';
}
