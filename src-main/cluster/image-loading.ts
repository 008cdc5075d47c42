import { RealClock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { debianImageArchive, debianImages, type DebianImageSpec } from '#images/debian-images';
import { formatImageReference, parseImageReference } from '#images/image-name';
import type { DockerDriver } from '#machines/docker/driver';
import { MachineError } from '#machines/errors';
import { archiveFile, loadImage, type ImageArchive } from '#machines/load-image';
import type { MachineProgress, RemoteMachine } from '#machines/machine';
import type { ImageSource, LabStep } from './lab-view.ts';
import { Steps } from './steps.ts';

export interface ImageLoadingOptions {
  readonly machines: readonly RemoteMachine[];
  readonly docker: () => Promise<DockerDriver>;
  /** Archives that were made here are kept in it. */
  readonly cacheFolder: string;
  readonly onSteps: (steps: readonly LabStep[]) => void;
}

/**
 * Puts an image on every machine. A name is looked for in this computer's Docker, then among the images that can be made of
 * Debian's packages. Throws MachineError; when only some machines failed it names them, and the others have the image.
 */
export async function loadLabImage(context: Context, source: ImageSource, options: ImageLoadingOptions): Promise<void> {
  const { machines, onSteps } = options;
  if (machines.length === 0)
    throw new MachineError('INVALID', 'no node of this lab takes images: simulated nodes know theirs by name');
  const find = 'Reading the image';
  const texts = new Map(machines.map(({ name }) => [name, `Loading it on ${name}`]));
  const steps = new Steps(
    [find, ...machines.map(({ name: node }) => ({ text: texts.get(node) ?? node, node }))],
    new RealClock(),
    onSteps,
  );
  const archive = await steps.run(find, (report) => findImage(context, source, options, report));
  const reports = new Map<string, (progress: MachineProgress) => void>();
  let settle: (results: Awaited<ReturnType<typeof loadImage>>) => void = () => undefined;
  let fail: (error: unknown) => void = () => undefined;
  const loaded = new Promise<Awaited<ReturnType<typeof loadImage>>>((resolve, reject) => {
    settle = resolve;
    fail = reject;
  });
  const shown = machines.map(({ name }) =>
    steps.run(texts.get(name) ?? name, async (report) => {
      reports.set(name, report);
      const mine = (await loaded).find((result) => result.machine === name);
      if (mine?.error) throw mine.error;
    }),
  );
  loadImage(context, machines, archive, (name, progress) => reports.get(name)?.(progress)).then(settle, fail);
  const failed = (await Promise.allSettled(shown)).flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  if (failed.length === 0) return;
  const whole = failed.length === machines.length ? 'no node' : 'not every node';
  throw new MachineError('FAILED', `${whole} has the image: ${failed.map(messageOf).join('; ')}`);
}

async function findImage(
  context: Context,
  source: ImageSource,
  { docker, cacheFolder }: ImageLoadingOptions,
  report: (progress: MachineProgress) => void,
): Promise<ImageArchive> {
  if ('file' in source) return archiveFile(source.file);
  const made = debianImageNamed(source.name);
  try {
    return await (await docker()).image(context, source.name);
  } catch (error) {
    if (!made || !(error instanceof MachineError)) throw error;
    report({ text: `Docker has no ${source.name}: made of Debian's packages` });
    return archiveFile(await debianImageArchive(context, made, cacheFolder, report));
  }
}

function debianImageNamed(name: string): DebianImageSpec | undefined {
  const reference = parseImageReference(name);
  const full = reference && formatImageReference(reference);
  return Object.values(debianImages).find((spec) => full !== undefined && spec.names.includes(full));
}
