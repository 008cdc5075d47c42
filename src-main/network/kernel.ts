import { spawn } from 'node:child_process';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import { NetworkError } from './errors.ts';

/** The node's kernel as its own programs show it: `ip`, `bridge`, `nft`, `arping`, and files of `/proc/sys`. */
export interface Kernel {
  /**
   * Runs a program to its end and resolves with its standard output. Throws {@link NetworkError}, or CancelledError when `context`
   * ends first (the program is killed).
   */
  run(context: Context, command: readonly string[], input?: string): Promise<string>;
}

/** Programs of this machine; `prefix` runs them elsewhere: `ip netns exec NAME`. */
export class ProgramKernel implements Kernel {
  readonly #prefix: readonly string[];

  constructor(prefix: readonly string[] = []) {
    this.#prefix = prefix;
  }

  run(context: Context, command: readonly string[], input = ''): Promise<string> {
    const [program = '', ...args] = [...this.#prefix, ...command];
    return new Promise((resolve, reject) => {
      if (context.ended) {
        reject(new CancelledError(context.endedBy ?? 'cancelled'));
        return;
      }
      const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
      const killed = context.onEnd(() => child.kill('SIGKILL'));
      const output: Buffer[] = [];
      const complaints: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
      // A program that ends without reading its input says why by its exit code.
      child.stdin.on('error', () => child.stdin.destroy());
      child.once('error', (error: NodeJS.ErrnoException) => {
        killed.dispose();
        const code = error.code === 'ENOENT' ? 'MISSING_PROGRAM' : 'COMMAND_FAILED';
        reject(new NetworkError(code, `${program} cannot be run: ${messageOf(error)}`, { cause: error }));
      });
      child.once('close', (code) => {
        killed.dispose();
        const text = Buffer.concat(complaints).toString('utf8').trim();
        if (code === 0) resolve(Buffer.concat(output).toString('utf8'));
        else if (context.ended) reject(new CancelledError(context.endedBy ?? 'cancelled'));
        else reject(new NetworkError('COMMAND_FAILED', `${command.join(' ')}: ${text || `exit code ${String(code)}`}`));
      });
      child.stdin.end(input);
    });
  }
}

/** Output of `ip -json` and `bridge -json`, which is empty where there is nothing to show. */
export async function runJson(
  kernel: Kernel,
  context: Context,
  command: readonly string[],
): Promise<readonly unknown[]> {
  const text = (await kernel.run(context, command)).trim();
  const decoded: unknown = text === '' ? [] : JSON.parse(text);
  return Array.isArray(decoded) ? (decoded as readonly unknown[]) : [];
}

/** `name` with slashes: `net/ipv4/ip_forward`. */
export async function readSysctl(kernel: Kernel, context: Context, name: string): Promise<string> {
  return (await kernel.run(context, ['cat', `/proc/sys/${name}`])).trim();
}

export async function writeSysctl(kernel: Kernel, context: Context, name: string, value: string): Promise<void> {
  await kernel.run(context, ['tee', `/proc/sys/${name}`], value);
}
