import { createHash } from 'node:crypto';
import type { Context } from '#base/context';
import type { ExecSession } from '#base/streams';
import { MachineError } from '../errors.ts';
import type { MachineFile } from '../machine.ts';
import { collect, type CommandResult } from './shell.ts';

/** Runs a command as root on the machine. */
export type RootExec = (
  context: Context,
  command: readonly string[],
  options: { readonly stdin: boolean },
) => Promise<ExecSession>;

export interface ScriptOptions {
  readonly args?: readonly string[];
  /** Sees each line of standard output as it comes. */
  readonly onLine?: (line: string) => void;
  /** What was tried, for the message: `Packages were not installed`. */
  readonly failure: string;
}

/** Scripts and files of the machine, as root. */
export class RemoteShell {
  readonly #exec: RootExec;

  constructor(exec: RootExec) {
    this.#exec = exec;
  }

  /** Runs a POSIX shell script; it comes by standard input, so `ps` shows nothing of it. */
  async try(context: Context, script: string, options: Omit<ScriptOptions, 'failure'> = {}): Promise<CommandResult> {
    const session = await this.#exec(context, ['sh', '-s', '--', ...(options.args ?? [])], { stdin: true });
    // One compound command is read whole before it runs: programs in it cannot eat the rest of the script.
    const input = new TextEncoder().encode(`{\n${script}\n} </dev/null\n`);
    return collect(context, session, input, options.onLine);
  }

  /** Resolves with standard output. Throws MachineError FAILED with the last words of a script that fails. */
  async run(context: Context, script: string, options: ScriptOptions): Promise<string> {
    const result = await this.try(context, script, options);
    if (result.exitCode === 0) return result.stdout;
    throw new MachineError('FAILED', `${options.failure}: ${lastWords(result)}`);
  }

  /** Replaces the file as a whole: who reads it sees the old content or the new. */
  async write(context: Context, file: MachineFile): Promise<void> {
    // A lost connection looks like the end of the content: only a whole file takes the old one's place.
    const script =
      'umask 022 && mkdir -p "$(dirname "$1")" && umask 077 && cat >"$1.new" && [ "$(wc -c <"$1.new")" -eq "$3" ] && ' +
      'chmod "$2" "$1.new" && mv -f "$1.new" "$1"';
    const { path, content, mode } = file;
    const command = ['sh', '-c', script, 'sh', path, mode.toString(8), String(content.byteLength)];
    const result = await collect(context, await this.#exec(context, command, { stdin: true }), content);
    if (result.exitCode === 0) return;
    const full = /No space left/.test(result.stderr);
    throw new MachineError(
      full ? 'NO_SPACE' : 'FAILED',
      `${path} could not be written on the machine${full ? ': its disk is full' : `: ${lastWords(result)}`}`,
    );
  }

  /** Writes what differs in content or mode; resolves with the paths that did. */
  async sync(context: Context, files: readonly MachineFile[]): Promise<readonly string[]> {
    const script =
      'for file; do [ -f "$file" ] && printf "%s %s\\n" "$(stat -c %a "$file")" "$(sha256sum "$file")"; done; true';
    const there = await this.run(context, script, {
      args: files.map((file) => file.path),
      failure: 'The files of the machine could not be read',
    });
    const have = new Set(there.split('\n').map((line) => line.replace(/ {2}/, ' ')));
    const differing = files.filter(
      ({ path, content, mode }) => !have.has(`${mode.toString(8)} ${sha256(content)} ${path}`),
    );
    for (const file of differing) await this.write(context, file);
    return differing.map((file) => file.path);
  }
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

export function lastWords({ stdout, stderr, exitCode }: CommandResult): string {
  const lines = (stderr.trim() || stdout.trim()).split('\n').slice(-4);
  return lines.join(' · ') || `exit code ${exitCode}`;
}
