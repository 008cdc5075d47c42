import type { Readable } from 'node:stream';
import type { AuthConfig, ImageInspectInfo } from 'dockerode';
import type { Context } from '#base/context';
import { imageArchive, type BuiltImage } from '#images/oci-archive';
import { formatImageReference, parseImageReference } from '#images/image-name';
import { CriError, type Image, type ImageFsInfo, type ImageService, type RegistryAuth } from '../cri.ts';
import { ignoring, type DockerConnection } from './engine.ts';

/** What of an image never changes, by id: a list does not tell it. */
type Facts = Pick<Image, 'uid' | 'username'>;

/** The engine's images. They are the whole engine's: every client and scope sees the same. */
export class DockerImages implements ImageService {
  readonly #connection: DockerConnection;
  readonly #facts = new Map<string, Facts>();

  constructor(connection: DockerConnection) {
    this.#connection = connection;
  }

  async listImages(context: Context): Promise<readonly Image[]> {
    const listed = await this.#connection.call(context, (docker) => docker.listImages());
    const images: Image[] = [];
    for (const { Id: id, RepoTags: tags, RepoDigests: digests, Size: sizeBytes } of listed) {
      let facts = this.#facts.get(id);
      if (!facts) {
        const inspected = await this.#inspect(context, id);
        // Removed meanwhile.
        if (!inspected) continue;
        facts = userOf(inspected.Config.User);
        this.#facts.set(id, facts);
      }
      images.push({ id, ...namesOf(tags, digests), sizeBytes, ...facts });
    }
    return images;
  }

  async imageStatus(context: Context, image: string): Promise<Image | undefined> {
    const inspected = await this.#inspect(context, image);
    if (!inspected) return undefined;
    const { Id: id, RepoTags: tags, RepoDigests: digests, Size: sizeBytes, Config } = inspected;
    return { id, ...namesOf(tags, digests), sizeBytes, ...userOf(Config.User) };
  }

  async pullImage(context: Context, image: string, auth?: RegistryAuth): Promise<string> {
    const reference = parseImageReference(image);
    if (!reference) {
      throw new CriError('InvalidArgument', `failed to parse image reference "${image}": invalid reference format`);
    }
    const name = formatImageReference(reference);
    const body = await this.#connection.call(context, (docker) =>
      docker.pull(name, { abortSignal: context.signal, ...(auth ? { authconfig: authConfig(auth) } : {}) }),
    );
    await this.#finish(context, body);
    const pulled = await this.imageStatus(context, name);
    if (!pulled) throw new CriError('Unknown', `the image ${name} was pulled and is not there`);
    return pulled.id;
  }

  async removeImage(context: Context, image: string): Promise<void> {
    const held = await this.imageStatus(context, image);
    if (!held) return;
    // By its id and with force: all of its names go, as the CRI has it.
    await ignoring(
      [404],
      this.#connection.call(context, (docker) => docker.getImage(held.id).remove({ force: true })),
    );
  }

  async imageFsInfo(context: Context): Promise<ImageFsInfo> {
    const info = (await this.#connection.call(context, (docker) => docker.info())) as {
      readonly DockerRootDir: string;
    };
    const usage = (await this.#connection.call(context, (docker) => docker.df())) as { readonly LayersSize?: number };
    return { mountpoint: info.DockerRootDir, usedBytes: usage.LayersSize ?? 0 };
  }

  /** Puts images that were built here into the engine, as `docker load` does. Throws CriError. */
  async loadImages(context: Context, images: readonly BuiltImage[]): Promise<void> {
    const body = await this.#connection.call(context, (docker) =>
      docker.loadImage(imageArchive(images), { quiet: true }),
    );
    await this.#finish(context, body);
  }

  #inspect(context: Context, image: string): Promise<ImageInspectInfo | undefined> {
    // 400: what is no name is no image either.
    return ignoring(
      [400, 404],
      this.#connection.call(context, (docker) => docker.getImage(image).inspect()),
    );
  }

  /** Reads a progress stream to its end. The engine has answered 200 before anything went wrong in it. */
  #finish(context: Context, body: NodeJS.ReadableStream): Promise<void> {
    return this.#connection.call(context, async () => {
      const stream = body as Readable;
      const end = context.onEnd(() => stream.destroy());
      try {
        let rest = '';
        for await (const chunk of stream) {
          const lines = (rest + Buffer.from(chunk as Uint8Array).toString('utf8')).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) failOn(line);
        }
        failOn(rest);
      } finally {
        end.dispose();
      }
    });
  }
}

function failOn(line: string): void {
  if (line.trim() === '') return;
  const { error } = JSON.parse(line) as { readonly error?: unknown };
  if (typeof error === 'string') throw new CriError('Unknown', error);
}

/** The engine leaves out `docker.io/library/`, and writes `<none>` where there is nothing. */
function namesOf(tags: readonly string[] | null | undefined, digests: readonly string[] | null | undefined) {
  const full = (names: readonly string[] | null | undefined): readonly string[] =>
    (names ?? [])
      .flatMap((name) => {
        const reference = parseImageReference(name);
        return reference ? [formatImageReference(reference)] : [];
      })
      .sort();
  return { repoTags: full(tags), repoDigests: full(digests) };
}

function userOf(text: string | undefined): Facts {
  const user = (text ?? '').split(':')[0] ?? '';
  if (user === '') return {};
  return /^\d+$/.test(user) ? { uid: Number(user) } : { username: user };
}

/** The engine wants name and password apart; `.dockerconfigjson` often has them together. */
function authConfig(auth: RegistryAuth): AuthConfig {
  const [name, ...secret] = auth.auth ? Buffer.from(auth.auth, 'base64').toString('utf8').split(':') : [];
  const config = {
    username: auth.username ?? name ?? '',
    password: auth.password ?? secret.join(':'),
    serveraddress: auth.serverAddress ?? '',
    ...(auth.identityToken ? { identitytoken: auth.identityToken } : {}),
    ...(auth.registryToken ? { registrytoken: auth.registryToken } : {}),
  };
  return config;
}
