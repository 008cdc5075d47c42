import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { onPath } from './programs.ts';

export const etcdctlProgram = onPath('etcdctl', 'apt-get install etcd-client');

/** The real etcdctl, pointed at one endpoint. */
export class Etcdctl {
  readonly endpoint: string;
  readonly #flags: readonly string[];
  readonly #directory: string;

  /** `certificates` is a folder of makeEtcdCertificates; without it the endpoint is in clear text. */
  constructor(endpoint: string, certificates?: string, name = 'etcd') {
    this.endpoint = endpoint;
    this.#directory = certificates ?? '/';
    const tls =
      certificates === undefined ? [] : ['--cacert', 'ca.crt', '--cert', `${name}.crt`, '--key', `${name}.key`];
    this.#flags = ['--endpoints', endpoint, '--command-timeout', '10s', '--dial-timeout', '5s', ...tls];
  }

  start(args: readonly string[]): ChildProcessWithoutNullStreams {
    const env = { ...process.env, ETCDCTL_API: '3' };
    return spawn(etcdctlProgram.path ?? 'etcdctl', [...this.#flags, ...args], { cwd: this.#directory, env });
  }

  async run(args: readonly string[], input = ''): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const child = this.start(args);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    // A command that reads nothing may be gone before it was given everything.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, stdout, stderr };
  }

  /** The output of a command that must succeed. */
  async output(args: readonly string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, input);
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }
}

/** Lines as they come. */
export function linesOf(child: ChildProcessWithoutNullStreams): { take(count: number): Promise<string[]> } {
  let text = '';
  let check = (): void => {};
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    check();
  });
  return {
    take: (count) =>
      new Promise((resolve) => {
        check = () => {
          const lines = text.split('\n').slice(0, -1);
          if (lines.length >= count) resolve(lines.slice(0, count));
        };
        check();
      }),
  };
}
