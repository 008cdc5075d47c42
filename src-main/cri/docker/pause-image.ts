import type { Context } from '#base/context';
import type { BuiltImage } from '#images/oci-archive';
import { CriError } from '../cri.ts';
import type { DockerImages } from './images.ts';

/** The image that holds pods' namespaces, under a name of our own: an engine's `pause:3.10` may be another one. */
export class PauseImage {
  readonly #images: DockerImages;
  readonly #build: () => Promise<BuiltImage>;
  #built: Promise<BuiltImage> | undefined;

  constructor(images: DockerImages, build: () => Promise<BuiltImage>) {
    this.#images = images;
    this.#build = build;
  }

  /** Its id in the engine; loaded when it is not there, also after somebody has removed it. Throws CriError. */
  async require(context: Context): Promise<string> {
    this.#built ??= this.#build();
    const built = await this.#built;
    const name = `docker.io/drydock/pause:${built.id.slice('sha256:'.length, 'sha256:'.length + 12)}`;
    const held = await this.#images.imageStatus(context, name);
    if (held) return held.id;
    await this.#images.loadImages(context, [{ ...built, names: [name] }]);
    const loaded = await this.#images.imageStatus(context, name);
    if (!loaded) throw new CriError('Unknown', `the Docker Engine took the image ${name} and does not have it`);
    return loaded.id;
  }
}
