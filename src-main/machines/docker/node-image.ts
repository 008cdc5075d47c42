import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { MachineError } from '../errors.ts';
import { machinePaths, type MachineProgress } from '../machine.ts';
import { archiveOf, type ArchiveFile } from './archive.ts';
import type { DockerEngine } from './engine.ts';
import { dockerLabels } from './labels.ts';
import { agentDockerfile, baseTag, nodeTag } from './node-recipe.ts';
import { buildImage, RootFsBuilder } from './root-fs.ts';

type OnProgress = (progress: MachineProgress) => void;

const keptImageMs = 24 * 3600 * 1000;

export interface NodeImageOptions {
  readonly engine: DockerEngine;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Path of `out/agent/node-agent.cjs` on this computer. */
  readonly agentBundle: string;
  /** A tar of a root file system that has all of `nodePrograms`, to be used instead of Debian. */
  readonly rootFs?: string;
}

/**
 * The image of every Docker node: a base of packages, made once, and a layer with the agent, made anew when the bundle
 * changes. Both are found again by tags that are hashes of what went in.
 */
export class NodeImage {
  readonly #options: NodeImageOptions;
  #running: Promise<string> | undefined;
  #listeners = new Set<OnProgress>();
  #rootFsHash: { readonly key: string; readonly hash: string } | undefined;

  constructor(options: NodeImageOptions) {
    this.#options = options;
  }

  /** The image's tag, once it is there. Callers at the same time share one build and all hear of its progress. */
  async ensure(context: Context, onProgress: OnProgress): Promise<string> {
    this.#listeners.add(onProgress);
    try {
      this.#running ??= this.#ensure(context, (progress) => {
        for (const listener of this.#listeners) listener(progress);
      }).finally(() => {
        this.#running = undefined;
      });
      return await this.#running;
    } finally {
      this.#listeners.delete(onProgress);
    }
  }

  /** Whether `ensure` would build nothing. */
  async isBuilt(context: Context): Promise<boolean> {
    return this.#has(context, nodeTag(baseTag(await this.#source()), this.#files()));
  }

  async #ensure(context: Context, onProgress: OnProgress): Promise<string> {
    const base = baseTag(await this.#source());
    const files = this.#files();
    const tag = nodeTag(base, files);
    if (await this.#has(context, tag)) return tag;
    if (!(await this.#has(context, base))) await this.#buildBase(context, base, onProgress);
    onProgress({ text: 'Adding the node agent', fraction: 0.97 });
    const recipe = await archiveOf([
      { path: 'Dockerfile', content: Buffer.from(agentDockerfile(base)) },
      ...files.map((file) => ({ path: `drydock${file.path}`, content: file.content })),
    ]);
    await buildImage(context, this.#options.engine, tag, 'node', recipe, () => {});
    await this.#prune(context, [base, tag]);
    onProgress({ text: 'The node image is ready', fraction: 1 });
    return tag;
  }

  /** Images of earlier bundles that nobody uses; young ones may be another Drydock's. */
  async #prune(context: Context, keep: readonly string[]): Promise<void> {
    const { engine, clock, logger } = this.#options;
    const images = await engine.call(context, 'list images', (docker) =>
      docker.listImages({ filters: { label: [dockerLabels.image] } }),
    );
    for (const image of images) {
      const tags = image.RepoTags ?? [];
      if (tags.some((tag) => keep.includes(tag)) || image.Created * 1000 > clock.now() - keptImageMs) continue;
      try {
        await engine.call(context, `remove the image ${tags[0] ?? image.Id}`, (docker) =>
          docker.getImage(image.Id).remove(),
        );
      } catch (error) {
        context.check();
        logger.debug('an old node image stays', { image: tags[0], reason: messageOf(error) });
      }
    }
  }

  async #buildBase(context: Context, tag: string, onProgress: OnProgress): Promise<void> {
    const builder = new RootFsBuilder(this.#options);
    const { rootFs } = this.#options;
    if (rootFs === undefined) await builder.fromDebian(context, tag, onProgress);
    else await builder.fromFile(context, tag, rootFs, onProgress);
  }

  #files(): readonly ArchiveFile[] {
    const { agentBundle } = this.#options;
    let bundle: Uint8Array;
    try {
      bundle = readFileSync(agentBundle);
    } catch (error) {
      throw new MachineError('MISSING', `the node agent ${agentBundle} was not built: run "npm run build"`, {
        cause: error,
      });
    }
    return [{ path: machinePaths.agentBundle, content: bundle }];
  }

  /** What the base is made of, as the tag knows it: Debian, or the user's file by its content. */
  async #source(): Promise<string> {
    const { rootFs } = this.#options;
    if (rootFs === undefined) return 'debian';
    try {
      const { size, mtimeMs } = await stat(rootFs);
      const key = `${size} ${mtimeMs}`;
      if (this.#rootFsHash?.key !== key) {
        const hash = createHash('sha256');
        for await (const chunk of createReadStream(rootFs)) hash.update(chunk as Buffer);
        this.#rootFsHash = { key, hash: hash.digest('hex') };
      }
      return this.#rootFsHash.hash;
    } catch (error) {
      throw new MachineError('INVALID', `cannot read the root file system ${rootFs}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  async #has(context: Context, tag: string): Promise<boolean> {
    const images = await this.#options.engine.call(context, 'list images', (docker) =>
      docker.listImages({ filters: { reference: [tag] } }),
    );
    return images.length > 0;
  }
}
