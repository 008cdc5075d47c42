import type { Mount } from '../cri.ts';
import type { FileTree } from './file-tree.ts';
import type { CatalogueImage } from './image-catalogue.ts';
import { Process, type Program } from './process.ts';
import { programOf, userlandCommands } from './userland.ts';

export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface ProgramFinderParts {
  readonly image: CatalogueImage;
  readonly mounts: readonly Mount[];
  readonly programs: ReadonlyMap<string, Program>;
  /** The container's files when somebody has looked at them already. */
  readonly built: () => FileTree | undefined;
  readonly files: () => FileTree;
}

/** Finds what runs when a container's process asks for a binary by name or path. */
export class ProgramFinder {
  readonly #parts: ProgramFinderParts;

  constructor(parts: ProgramFinderParts) {
    this.#parts = parts;
  }

  /** Whether what lies at and below `path` is as the image has it, without looking at the files. */
  untouched(path: string): boolean {
    if (this.#parts.built()) return false;
    return !this.#parts.mounts.some(
      ({ containerPath }) => containerPath.startsWith(path) || path.startsWith(containerPath),
    );
  }

  find(path: string, env: ReadonlyMap<string, string>): Program | undefined {
    const quick = this.#quick(path);
    if (quick) return quick;
    const files = this.#parts.files();
    const candidates = path.includes('/')
      ? [path]
      : (env.get('PATH') ?? defaultPath).split(':').map((directory) => `${directory}/${path}`);
    for (const candidate of candidates) {
      const node = files.find(candidate);
      if (node?.type !== 'file') continue;
      const name = programOf(node);
      if (name !== undefined) return this.#parts.programs.get(name);
      if ((node.mode & 0o111) !== 0) return this.#script(candidate, node.content);
    }
    return undefined;
  }

  /** Looking a well-known binary up must not build the files of a container that needs none. */
  #quick(path: string): Program | undefined {
    const { image, programs } = this.#parts;
    if (this.#parts.built()) return undefined;
    const own = Object.entries(image.binaries ?? {}).find(([at]) => at === path || at.endsWith(`/${path}`));
    if (own && this.untouched(own[0])) return programs.get(own[1]);
    const common = !path.includes('/') && userlandCommands(image.userland).includes(path);
    return common && this.untouched('/bin') && this.untouched('/usr') ? programs.get(path) : undefined;
  }

  /** A text file with its execute bit set: run by the interpreter its first line names. */
  #script(path: string, content: Uint8Array): Program | undefined {
    const first = Buffer.from(content.subarray(0, 256)).toString('utf8').split('\n', 1)[0] ?? '';
    const [interpreter = '/bin/sh', ...options] = first.startsWith('#!') ? first.slice(2).trim().split(/\s+/) : [];
    const program = this.find(interpreter, new Map());
    if (!program) return undefined;
    return (process) => {
      const argv = [interpreter, ...options, path, ...process.argv.slice(1)];
      const { env, cwd, io, tty, isInit, host } = process;
      const child = new Process(host, { argv, env, cwd, io, parent: process, tty, asInit: isInit });
      for (const signal of ['TERM', 'INT', 'HUP'] as const) process.onSignal(signal, () => child.signal(signal));
      return child.run(program);
    };
  }
}

/** runc's words for a binary that is not there. */
export function missingBinary(name: string): string {
  if (name.includes('/')) return `exec: "${name}": stat ${name}: no such file or directory: unknown`;
  return `exec: "${name}": executable file not found in $PATH: unknown`;
}
