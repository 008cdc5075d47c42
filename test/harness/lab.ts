import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kubectlProgram, root } from './programs.ts';

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. `input` goes to its standard input. Never throws for a non-zero exit. */
export function run(
  path: string,
  args: readonly string[],
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv; readonly timeoutMs?: number } = {},
): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      path,
      [...args],
      {
        env: options.env ?? process.env,
        timeout: options.timeoutMs ?? 60_000,
        maxBuffer: 64 << 20,
        encoding: 'utf8',
      },
      (error, stdout, stderr) => {
        if (error && typeof error.code !== 'number' && !child.killed) reject(error);
        else resolve({ code: typeof error?.code === 'number' ? error.code : child.killed ? 124 : 0, stdout, stderr });
      },
    );
    child.stdin?.end(options.input ?? '');
  });
}

export const cli = join(root, 'out/main/drydock.cjs');

/** Runs `drydock` as scripts do. */
export function drydock(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Output> {
  return run(process.execPath, [cli, ...args], { env, timeoutMs: 240_000 });
}

/** `drydock` that goes on until killed. */
export function startDrydock(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Resolves with the exit code; null when a signal ended the child. */
export function untilExit(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', resolve));
}

/** What `drydock up --json` prints. */
export interface UpFacts {
  readonly name: string;
  readonly server: string;
  readonly kubeconfig: string;
  readonly uiUrl: string | null;
  readonly pid: number;
  readonly etcd: { readonly endpoint: string; readonly ca: string; readonly cert: string; readonly key: string };
}

export function temporaryHome(): string {
  return mkdtempSync(join(tmpdir(), 'drydock-test-'));
}

/** A lab of its own in a home of its own, with a real kubectl bound to it. */
export class TestLab {
  readonly home: string;
  facts: UpFacts;
  readonly #flags: readonly string[];

  private constructor(home: string, flags: readonly string[], facts: UpFacts) {
    this.home = home;
    this.#flags = flags;
    this.facts = facts;
  }

  static async up(flags: readonly string[] = [], home = temporaryHome()): Promise<TestLab> {
    return new TestLab(home, flags, await upDetached(home, flags));
  }

  async upAgain(): Promise<void> {
    this.facts = await upDetached(this.home, this.#flags);
  }

  async down(): Promise<void> {
    const output = await drydock(['down', '--home', this.home]);
    if (output.code !== 0) throw new Error(`drydock down failed: ${output.stderr}`);
  }

  /** Ends the host and removes the home. */
  async destroy(): Promise<void> {
    await drydock(['down', '--delete', '--home', this.home]);
    rmSync(this.home, { recursive: true, force: true });
  }

  kubectl(
    args: readonly string[],
    options: { readonly input?: string; readonly timeoutMs?: number } = {},
  ): Promise<Output> {
    return run(kubectlPath(), args, { ...options, env: this.#env() });
  }

  /** kubectl that must succeed; resolves with its standard output. */
  async ok(args: readonly string[], input?: string): Promise<string> {
    const output = await this.kubectl(args, input === undefined ? {} : { input });
    if (output.code !== 0) {
      throw new Error(`kubectl ${args.join(' ')} ended with ${output.code}: ${output.stderr}${output.stdout}`);
    }
    return output.stdout;
  }

  /** kubectl that goes on until killed. */
  start(args: readonly string[]): ChildProcess {
    return spawn(kubectlPath(), [...args], { env: this.#env(), stdio: ['pipe', 'pipe', 'pipe'] });
  }

  #env(): NodeJS.ProcessEnv {
    return { PATH: process.env['PATH'], HOME: this.home, KUBECONFIG: this.facts.kubeconfig };
  }
}

function kubectlPath(): string {
  if (!kubectlProgram.path) throw new Error(kubectlProgram.missing);
  return kubectlProgram.path;
}

async function upDetached(home: string, flags: readonly string[]): Promise<UpFacts> {
  const output = await drydock(['up', '--home', home, '--detach', '--json', '--ui-port', 'none', ...flags]);
  if (output.code !== 0) throw new Error(`drydock up ended with ${output.code}: ${output.stderr}`);
  return JSON.parse(output.stdout) as UpFacts;
}

/** Reads a child's output until `pattern` matches it; rejects when the child ends first. */
export function untilOutput(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('utf8');
      if (pattern.test(text)) resolve(text);
    };
    child.stdout?.on('data', onData);
    child.stderr?.on('data', onData);
    child.on('exit', (code) => reject(new Error(`ended with ${String(code)} before ${String(pattern)}: ${text}`)));
    child.on('error', reject);
  });
}

/** Resolves when no process with that id is left. */
export async function untilGone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
