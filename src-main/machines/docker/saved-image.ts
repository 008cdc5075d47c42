import type { Context } from '#base/context';
import { formatImageReference, parseImageReference } from '#images/image-name';
import { MachineError } from '../errors.ts';
import type { ImageArchive } from '../load-image.ts';
import type { DockerEngine } from './engine.ts';
import { engineFailure } from './errors.ts';

/** An image of the engine's own store, as `docker save` gives it. Throws MachineError INVALID or MISSING. */
export async function savedImage(context: Context, engine: DockerEngine, name: string): Promise<ImageArchive> {
  const reference = parseImageReference(name);
  if (!reference) throw new MachineError('INVALID', `"${name}" is no name of an image`);
  let size: number;
  try {
    ({ Size: size } = await engine.call(context, `look for the image ${name}`, (docker) =>
      docker.getImage(name).inspect(),
    ));
  } catch (error) {
    if (!(error instanceof MachineError) || engineFailure(error.cause).statusCode !== 404) throw error;
    throw new MachineError('MISSING', `Docker has no image ${name}: "docker pull ${name}" or name an archive file`, {
      cause: error,
    });
  }
  // By its name, not its id: only then the archive tells what the image is called.
  const tagged = /[:@][^/]*$/.test(name) ? name : `${name}:latest`;
  return {
    names: [formatImageReference(reference)],
    sizeBytes: size,
    open: async (life) => {
      const body = await engine.call(life, `save the image ${name}`, (docker) => docker.getImage(tagged).get());
      return body as AsyncIterable<Buffer>;
    },
  };
}
