import { spawn } from 'node:child_process';
import { CodedError } from '#base/errors';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, `input` on its standard input. Rejects with {@link ProxyError} when it cannot be started. */
export type RunCommand = (program: string, args: readonly string[], input?: string) => Promise<CommandResult>;

export type ProxyErrorCode =
  /** A program kube-proxy needs is not installed, or may not be run. */
  | 'MissingProgram'
  /** The kernel did not take a transaction; nothing of it was applied. */
  | 'Rejected';

export class ProxyError extends CodedError<ProxyErrorCode> {
  override readonly name = 'ProxyError';
}

const packageOf: Readonly<Record<string, string>> = { nft: 'nftables', conntrack: 'conntrack' };

export const runCommand: RunCommand = (program, args, input = '') =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', (cause) => {
      const message = `cannot run ${program}: install the package ${packageOf[program] ?? program} on this node`;
      reject(new ProxyError('MissingProgram', message, { cause }));
    });
    child.on('close', (code) => {
      const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString('utf8');
      resolve({ code: code ?? 1, stdout: text(stdout), stderr: text(stderr) });
    });
    // A program that ends before it read everything breaks the pipe; its exit code says why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
