import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onPath } from './programs.ts';

export const etcdProgram = onPath('etcd', 'apt-get install etcd-server');

/** A member of Debian's etcd in clear text on 127.0.0.1, with an empty store. */
export class RealEtcd {
  readonly endpoint: string;
  readonly folder: string;
  readonly #peer: string;
  #child: ChildProcess | undefined;

  private constructor(folder: string, clientPort: number, peerPort: number) {
    this.folder = folder;
    this.endpoint = `http://127.0.0.1:${clientPort}`;
    this.#peer = `http://127.0.0.1:${peerPort}`;
  }

  static async start(): Promise<RealEtcd> {
    const [client = 0, peer = 0] = await freePorts(2);
    const etcd = new RealEtcd(mkdtempSync(join(tmpdir(), 'drydock-etcd-')), client, peer);
    await etcd.run();
    return etcd;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts it again with what it has on disk. Resolves when it answers. */
  async run(): Promise<void> {
    const flags = [
      ...['--name', 'one', '--data-dir', join(this.folder, 'data'), '--logger', 'zap', '--log-level', 'error'],
      ...['--listen-client-urls', this.endpoint, '--advertise-client-urls', this.endpoint],
      ...['--listen-peer-urls', this.#peer, '--initial-advertise-peer-urls', this.#peer],
      ...['--initial-cluster', `one=${this.#peer}`, '--heartbeat-interval', '20', '--election-timeout', '200'],
    ];
    const child = spawn(etcdProgram.path ?? 'etcd', flags, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#child = child;
    for (let attempt = 0; attempt < 200; attempt++) {
      if (child.exitCode !== null) throw new Error(`etcd ended with code ${child.exitCode}`);
      const healthy = await fetch(`${this.endpoint}/health`).then(
        async (answer) => (await answer.text()).includes('true'),
        () => false,
      );
      if (healthy) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error('etcd does not answer');
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name);
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Ports of 127.0.0.1 that nobody listens on just now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
