import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { EtcdGrpc } from '../../harness/etcd-grpc.ts';

/** A store under test: a process of its own behind a TLS port of 127.0.0.1. */
export class StoreProcess {
  readonly name: 'etcd' | 'embedded';
  readonly endpoint: string;
  readonly #directory: string;
  readonly #port: number;
  #child: ChildProcess | undefined;

  private constructor(name: 'etcd' | 'embedded', directory: string, port: number) {
    this.name = name;
    this.endpoint = `https://127.0.0.1:${port}`;
    this.#directory = directory;
    this.#port = port;
  }

  /** `directory` holds the certificates and gets the data. */
  static async start(name: 'etcd' | 'embedded', directory: string): Promise<StoreProcess> {
    const store = new StoreProcess(name, directory, await freePort());
    await store.start();
    return store;
  }

  /** Milliseconds until the first answer. */
  async start(): Promise<number> {
    const startedMs = performance.now();
    const [program, args] = this.name === 'etcd' ? this.#etcd() : this.#embedded();
    this.#child = spawn(program, args, {
      cwd: this.#directory,
      stdio: ['ignore', 'ignore', this.name === 'etcd' ? 'ignore' : 'inherit'],
    });
    const child = this.#child;
    // Not outlived, however the benchmark ends.
    process.once('exit', () => child.kill('SIGKILL'));
    for (;;) {
      const client = new EtcdGrpc(this.endpoint);
      try {
        await client.revision();
        return performance.now() - startedMs;
      } catch (error) {
        if (this.#child.exitCode !== null || performance.now() - startedMs > 60_000) throw error;
        await new Promise((resolve) => setTimeout(resolve, 5));
      } finally {
        client.close();
      }
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }

  /** Resident memory in megabytes: all of it, and without pages of mapped files. */
  memoryMb(): { all: number; own: number } {
    const status = readFileSync(`/proc/${this.#child?.pid}/status`, 'utf8');
    const kilobytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0);
    return { all: kilobytes('VmRSS') / 1024, own: kilobytes('RssAnon') / 1024 };
  }

  #etcd(): [string, string[]] {
    const data = join(this.#directory, 'etcd-data');
    const file = (name: string): string => join(this.#directory, name);
    const listen = ['--listen-client-urls', this.endpoint, '--advertise-client-urls', this.endpoint];
    // No peers: the peer port is a socket that nobody else finds.
    const peers = ['--listen-peer-urls', 'unix://peer:0', '--initial-advertise-peer-urls', 'http://localhost:2380'];
    const cluster = ['--initial-cluster', 'default=http://localhost:2380'];
    const tls = ['--cert-file', file('etcd.crt'), '--key-file', file('etcd.key')];
    const quota = ['--quota-backend-bytes', String(8 * 2 ** 30), '--log-level', 'error'];
    return ['etcd', ['--data-dir', data, ...listen, ...peers, ...cluster, ...tls, ...quota]];
  }

  #embedded(): [string, string[]] {
    const data = join(this.#directory, 'embedded-data');
    mkdirSync(data, { recursive: true });
    const entry = join(import.meta.dirname, 'server.ts');
    const profile = process.env['BENCH_CPU_PROF'];
    const flags = profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profile];
    return [process.execPath, ['--no-warnings', ...flags, entry, data, this.#directory, String(this.#port)]];
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
