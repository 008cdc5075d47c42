import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { formatImageReference, parseImageReference } from '#images/image-name';
import { CriError, type Image } from '../cri.ts';
import type { ImageCatalogue, ResolvedImage } from './image-catalogue.ts';

/** The images one node has pulled. Two pulls of one image at once are one pull. */
export class ImageStore {
  readonly #clock: Clock;
  readonly #catalogue: ImageCatalogue;
  readonly #pullTimeMs: (sizeBytes: number) => number;
  readonly #byName = new Map<string, ResolvedImage>();
  readonly #pulls = new Map<string, Promise<void>>();

  constructor(clock: Clock, catalogue: ImageCatalogue, pullTimeMs: (sizeBytes: number) => number) {
    this.#clock = clock;
    this.#catalogue = catalogue;
    this.#pullTimeMs = pullTimeMs;
  }

  list(): readonly Image[] {
    const byId = new Map<string, Image>();
    for (const { image } of this.#byName.values()) byId.set(image.id, image);
    return [...byId.values()];
  }

  /** By reference, digest or id. */
  find(name: string): ResolvedImage | undefined {
    const reference = parseImageReference(name);
    const held = reference && this.#byName.get(formatImageReference(reference));
    if (held) return held;
    for (const image of this.#byName.values()) {
      if (image.image.id === name || image.image.repoDigests.includes(name)) return image;
    }
    return undefined;
  }

  require(name: string): ResolvedImage {
    const image = this.find(name);
    if (!image) throw new CriError('NotFound', `failed to create container: image "${name}" not found`);
    return image;
  }

  async pull(context: Context, name: string): Promise<ResolvedImage> {
    const resolved = this.#catalogue.resolve(name);
    const reference = parseImageReference(name);
    const key = reference ? formatImageReference(reference) : name;
    const running = this.#pulls.get(key) ?? this.#transfer(context, key, resolved);
    this.#pulls.set(key, running);
    try {
      await running;
    } finally {
      this.#pulls.delete(key);
    }
    return resolved;
  }

  remove(name: string): void {
    const image = this.find(name);
    if (!image) return;
    for (const [key, held] of this.#byName) if (held.image.id === image.image.id) this.#byName.delete(key);
  }

  async #transfer(context: Context, key: string, resolved: ResolvedImage): Promise<void> {
    if (!this.#byName.has(key)) await this.#clock.sleep(context, this.#pullTimeMs(resolved.image.sizeBytes));
    this.#byName.set(key, resolved);
  }
}
