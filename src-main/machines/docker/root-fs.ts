import { createReadStream } from 'node:fs';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { debianRootFs } from '#images/debian-root-fs';
import { ImageError } from '#images/image-error';
import { MachineError } from '../errors.ts';
import type { MachineProgress } from '../machine.ts';
import { archiveOf } from './archive.ts';
import type { DockerEngine } from './engine.ts';
import { engineLines } from './engine-stream.ts';
import { dockerLabels } from './labels.ts';
import { aptDockerfile, debianImage, nodeRootFs } from './node-recipe.ts';

type OnProgress = (progress: MachineProgress) => void;

/** A registry that does not say a word for so long is taken for unreachable. */
const registryWaitMs = 8_000;

export interface RootFsOptions {
  readonly engine: DockerEngine;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Makes the base image's layers, each way known by what it needs. */
export class RootFsBuilder {
  readonly #options: RootFsOptions;

  constructor(options: RootFsOptions) {
    this.#options = options;
  }

  /** From a root file system of the user's: a tar file, plain or compressed with gzip, bzip2 or xz. */
  async fromFile(context: Context, tag: string, path: string, onProgress: OnProgress): Promise<void> {
    onProgress({ text: `Reading ${path}`, fraction: 0 });
    await this.#import(context, tag, createReadStream(path), `import ${path}`);
  }

  /** From Debian's image of a registry, else from Debian's packages. */
  async fromDebian(context: Context, tag: string, onProgress: OnProgress): Promise<void> {
    const refused = await this.#pullDebian(context, onProgress);
    if (refused === undefined) return this.#installWithApt(context, tag, onProgress);
    this.#options.logger.info('no Debian image: the node image is made of packages', { reason: refused });
    await this.#bootstrap(context, tag, refused, onProgress);
  }

  /** Undefined when the image is here, else why it is not. */
  async #pullDebian(context: Context, onProgress: OnProgress): Promise<string | undefined> {
    const { engine, clock } = this.#options;
    onProgress({ text: `Looking for ${debianImage}`, fraction: 0 });
    const pull = context.withCancel();
    const patience = clock.setTimer(registryWaitMs, pull.cancel);
    try {
      const here = await engine.call(context, 'list images', (docker) =>
        docker.listImages({ filters: { reference: [debianImage] } }),
      );
      if (here.length > 0) return undefined;
      const body = await engine.call(pull.context, `pull ${debianImage}`, (docker) =>
        docker.createImage({ fromImage: 'debian', tag: '12-slim', abortSignal: pull.context.signal }),
      );
      for await (const line of engineLines(pull.context, body)) {
        // The registry answers: from here on the line may be as slow as it is.
        patience.dispose();
        if (line.error !== undefined) return line.error;
        const fraction = line.current !== undefined && line.total ? 0.2 * (line.current / line.total) : undefined;
        onProgress({ text: `Pulling ${debianImage}`, ...(fraction !== undefined && { fraction }) });
      }
      return undefined;
    } catch (error) {
      context.check();
      return pull.context.ended ? `no registry answered within ${registryWaitMs / 1000} s` : messageOf(error);
    } finally {
      patience.dispose();
      pull.cancel();
    }
  }

  async #installWithApt(context: Context, tag: string, onProgress: OnProgress): Promise<void> {
    const recipe = await archiveOf([{ path: 'Dockerfile', content: Buffer.from(aptDockerfile()) }]);
    await buildImage(context, this.#options.engine, tag, 'node-base', recipe, (text) => {
      const stage = aptStages.find(([pattern]) => pattern.test(text));
      if (stage) onProgress({ text: stage[1], fraction: stage[2] });
    });
  }

  async #bootstrap(context: Context, tag: string, refused: string, onProgress: OnProgress): Promise<void> {
    const { tar, done } = debianRootFs(context, nodeRootFs, onProgress);
    try {
      // The import sees only that the tar ends, so whose end it was is asked first.
      await Promise.all([done, this.#import(context, tag, tar, 'import the root file system')]);
    } catch (error) {
      context.check();
      await done.catch(() => this.#forget(context, tag));
      throw bootstrapError(error, refused);
    }
  }

  async #import(context: Context, tag: string, source: NodeJS.ReadableStream, action: string): Promise<void> {
    const { engine } = this.#options;
    const body = await engine.call(context, action, (docker) =>
      docker.importImage(source, {
        repo: tag,
        changes: [`LABEL ${dockerLabels.image}=node-base`],
      }),
    );
    for await (const line of engineLines(context, body)) {
      if (line.error !== undefined) throw new MachineError('FAILED', `cannot ${action}: ${line.error}`);
    }
  }

  async #forget(context: Context, tag: string): Promise<void> {
    const { engine } = this.#options;
    const here = await engine.call(context, 'list images', (docker) =>
      docker.listImages({ filters: { reference: [tag] } }),
    );
    if (here.length > 0) await engine.call(context, `remove ${tag}`, (docker) => docker.getImage(tag).remove());
  }
}

type Stage = readonly [pattern: RegExp, text: string, fraction: number];

const aptStages: readonly Stage[] = [
  [/^Setting up /, 'Setting up packages', 0.8],
  [/^Unpacking /, 'Unpacking packages', 0.6],
  [/^(Get|Hit):/, 'Downloading packages', 0.3],
];

function bootstrapError(error: unknown, refused: string): unknown {
  if (!(error instanceof ImageError)) return error;
  const missing = error.code === 'MissingProgram';
  return new MachineError(
    missing ? 'MISSING' : 'FAILED',
    `cannot make the node image: ${debianImage} could not be pulled (${refused}), and ${error.message}${missing ? ', or name a root file system for the nodes' : ''}`,
    { cause: error },
  );
}

/** One image from a tar with a Dockerfile. `onText` gets each line that the build prints. */
export async function buildImage(
  context: Context,
  engine: DockerEngine,
  tag: string,
  kind: string,
  recipe: Buffer,
  onText: (text: string) => void,
): Promise<void> {
  const body = await engine.call(context, `build ${tag}`, (docker) =>
    // dockerode sends a buffer as it is, but its types know streams only.
    docker.buildImage(recipe as unknown as NodeJS.ReadableStream, {
      t: tag,
      rm: true,
      forcerm: true,
      labels: { [dockerLabels.image]: kind },
      abortSignal: context.signal,
    }),
  );
  const tail: string[] = [];
  for await (const line of engineLines(context, body)) {
    if (line.error !== undefined) {
      const why = tail.filter((text) => /^E: |error/i.test(text)).at(-1) ?? line.error;
      throw new MachineError('FAILED', `cannot build ${tag}: ${why}`);
    }
    const text = line.stream?.trim();
    if (!text) continue;
    tail.push(text);
    onText(text);
  }
  if (context.ended) throw new CancelledError(context.endedBy ?? 'cancelled');
}
