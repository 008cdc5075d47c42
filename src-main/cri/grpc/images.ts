import type { Context } from '#base/context';
import { parseImageReference } from '#images/image-name';
import { CriError, type Image, type ImageFsInfo, type ImageService, type RegistryAuth } from '../cri.ts';
import type { CriConnection } from './connection.ts';
import type { FilesystemMessage, ImageMessage } from './messages.ts';
import { imageFsInfoOf, imageOf } from './status.ts';

/** CRI's second service, on the same connection as the first. */
export class GrpcImages implements ImageService {
  readonly #connection: CriConnection;

  constructor(connection: CriConnection) {
    this.#connection = connection;
  }

  async listImages(context: Context): Promise<readonly Image[]> {
    const { images } = await this.#image<{ images: readonly ImageMessage[] }>(context, 'ListImages', {}, 'Empty');
    return images.map(imageOf);
  }

  async imageStatus(context: Context, image: string): Promise<Image | undefined> {
    const message = { image: { image } };
    const answer = await this.#image<{ image: ImageMessage | null }>(context, 'ImageStatus', message, 'ImageRequest');
    return answer.image ? imageOf(answer.image) : undefined;
  }

  async pullImage(context: Context, image: string, auth?: RegistryAuth): Promise<string> {
    if (!parseImageReference(image)) {
      throw new CriError('InvalidArgument', `failed to parse image reference "${image}": invalid reference format`);
    }
    const message = { image: { image }, ...(auth ? { auth: authMessage(auth) } : {}) };
    const answer = await this.#connection.call<{ image_ref: string }>(context, 'ImageService/PullImage', message, {
      timeoutMs: undefined,
    });
    return answer.image_ref;
  }

  async removeImage(context: Context, image: string): Promise<void> {
    const options = { request: 'ImageRequest', response: 'Empty' };
    await this.#connection.call(context, 'ImageService/RemoveImage', { image: { image } }, options);
  }

  async imageFsInfo(context: Context): Promise<ImageFsInfo> {
    const answer = await this.#image<{ image_filesystems: readonly FilesystemMessage[] }>(
      context,
      'ImageFsInfo',
      {},
      'Empty',
    );
    return imageFsInfoOf(answer.image_filesystems[0]);
  }

  #image<Response>(context: Context, method: string, message: object, request: string): Promise<Response> {
    return this.#connection.call<Response>(context, `ImageService/${method}`, message, { request });
  }
}

function authMessage(auth: RegistryAuth): object {
  return {
    username: auth.username ?? '',
    password: auth.password ?? '',
    auth: auth.auth ?? '',
    server_address: auth.serverAddress ?? '',
    identity_token: auth.identityToken ?? '',
    registry_token: auth.registryToken ?? '',
  };
}
