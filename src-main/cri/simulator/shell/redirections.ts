import type { FileTree } from '../file-tree.ts';
import { FileError, resolvePath } from '../file-tree.ts';
import { BytePipe, emptyInput, encodeText, nullOutput, type ByteInput, type ByteOutput } from '../byte-pipe.ts';
import type { Expander } from './expansion.ts';
import { ShellError, type OpenFile, type ShellState } from './shell-state.ts';
import type { Redirection } from './syntax.ts';

/** The open files of a command by number. */
export type OpenFiles = ReadonlyMap<number, OpenFile>;

export function inputOf(open: OpenFiles, number = 0): ByteInput {
  return open.get(number)?.input ?? emptyInput;
}

export function outputOf(open: OpenFiles, number: number): ByteOutput {
  return open.get(number)?.output ?? nullOutput;
}

function inputFrom(bytes: Uint8Array): ByteInput {
  const pipe = new BytePipe();
  if (bytes.length > 0) pipe.unread(bytes);
  pipe.end();
  return pipe;
}

const errorTexts: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  EISDIR: 'Is a directory',
  ENOTDIR: 'Not a directory',
  EROFS: 'Read-only file system',
};

/** Opens what redirections name, over `open`. Throws {@link ShellError} with exit code 1. */
export class Redirector {
  readonly #files: FileTree;
  readonly #state: ShellState;
  readonly #expander: Expander;

  constructor(files: FileTree, state: ShellState, expander: Expander) {
    this.#files = files;
    this.#state = state;
    this.#expander = expander;
  }

  async apply(redirections: readonly Redirection[], open: OpenFiles): Promise<OpenFiles> {
    if (redirections.length === 0) return open;
    const next = new Map(open);
    for (const redirection of redirections) await this.#one(redirection, next);
    return next;
  }

  async #one(redirection: Redirection, open: Map<number, OpenFile>): Promise<void> {
    const { operator, target, fd } = redirection;
    if (target.type === 'HereDoc') {
      let text = await this.#expander.text(target.content);
      if (target.stripTabs) text = text.replace(/^\t+/gm, '');
      open.set(fd ?? 0, { input: inputFrom(encodeText(text)) });
      return;
    }
    const word = await this.#expander.text(target);
    switch (operator) {
      case '<':
        open.set(fd ?? 0, { input: this.#read(word, open) });
        return;
      case '<<<':
        open.set(fd ?? 0, { input: inputFrom(encodeText(`${word}\n`)) });
        return;
      case '>':
      case '>|':
        open.set(fd ?? 1, { output: this.#write(word, false, open) });
        return;
      case '>>':
        open.set(fd ?? 1, { output: this.#write(word, true, open) });
        return;
      case '&>':
      case '&>>': {
        const file = { output: this.#write(word, operator === '&>>', open) };
        open.set(1, file);
        open.set(2, file);
        return;
      }
      case '>&':
      case '<&':
        this.#duplicate(fd ?? (operator === '>&' ? 1 : 0), word, open);
        return;
      default:
        throw new ShellError(`${operator}: not supported by the simulated shell`, 1);
    }
  }

  #duplicate(fd: number, word: string, open: Map<number, OpenFile>): void {
    if (word === '-') {
      open.delete(fd);
      return;
    }
    if (!/^\d+$/.test(word)) {
      const file = { output: this.#write(word, false, open) };
      open.set(1, file);
      open.set(2, file);
      return;
    }
    const from = open.get(Number(word));
    if (!from) throw new ShellError(`${word}: Bad file descriptor`, 1);
    open.set(fd, from);
  }

  #stream(path: string, open: OpenFiles): OpenFile | undefined {
    const number = /^\/(?:dev|proc\/self)\/fd\/(\d+)$/.exec(path)?.[1];
    const named: Readonly<Record<string, number>> = {
      '/dev/stdin': 0,
      '/dev/stdout': 1,
      '/dev/stderr': 2,
      '/dev/tty': 1,
    };
    const index = number === undefined ? named[path] : Number(number);
    return index === undefined ? undefined : (open.get(index) ?? { input: emptyInput, output: nullOutput });
  }

  #read(word: string, open: OpenFiles): ByteInput {
    const path = resolvePath(this.#state.cwd, word);
    const stream = this.#stream(path, open);
    if (stream?.input) return stream.input;
    try {
      return inputFrom(this.#files.read(path));
    } catch (error) {
      throw this.#failure(word, error, "can't open");
    }
  }

  #write(word: string, append: boolean, open: OpenFiles): ByteOutput {
    const path = resolvePath(this.#state.cwd, word);
    const stream = this.#stream(path, open);
    if (stream?.output) return stream.output;
    try {
      this.#files.write(path, new Uint8Array(0), { append });
    } catch (error) {
      throw this.#failure(word, error, "can't create");
    }
    return { write: (bytes) => this.#files.write(path, bytes, { append: true }) };
  }

  #failure(word: string, error: unknown, what: string): ShellError {
    if (!(error instanceof FileError)) throw error;
    const text =
      error.code === 'ENOENT' && what === "can't open" ? 'no such file' : (errorTexts[error.code] ?? error.code);
    return new ShellError(
      `${what} ${word}: ${error.code === 'ENOENT' && what === "can't create" ? 'nonexistent directory' : text}`,
      1,
    );
  }
}
