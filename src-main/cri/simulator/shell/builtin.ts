import { encodeText } from '../byte-pipe.ts';
import type { Shell } from './interpreter.ts';
import { outputOf, type OpenFiles } from './redirections.ts';

/** A command that is part of the shell. Resolves with its exit code. */
export type Builtin = (shell: Shell, args: readonly string[], open: OpenFiles, name: string) => Promise<number>;

export async function print(open: OpenFiles, text: string): Promise<void> {
  await outputOf(open, 1).write(encodeText(text));
}
