import { execFileSync, spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { runCommand, type RunCommand } from '#kube-proxy/nftables/command';
import { onPath, type Program } from '../../harness/programs.ts';

const peer = join(import.meta.dirname, 'peer.mjs');

function rootProgram(): Program {
  return process.getuid?.() === 0 ? { path: '' } : { missing: 'network namespaces need root' };
}

export const namespacePrograms: readonly Program[] = [
  rootProgram(),
  onPath('ip', 'apt-get install iproute2'),
  onPath('nft', 'apt-get install nftables'),
  onPath('conntrack', 'apt-get install conntrack'),
];

function ip(...args: readonly string[]): void {
  execFileSync('ip', [...args], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A question that stays open: one connection, asked again and again. */
export interface Held {
  ask(): Promise<string>;
}

/**
 * A node, its pods on a bridge, a second node and a client outside, each a network namespace on this machine:
 *
 *     pod-a 10.244.1.2 ┐
 *     pod-b 10.244.1.3 ┴ cni0 10.244.1.1 │ node 192.168.77.1 ── 192.168.77.2 other (pod 10.244.2.2)
 *                                                192.168.78.1 ── 192.168.78.2 client
 */
export class TestNode {
  readonly #prefix: string;
  readonly #children: ChildProcess[] = [];
  readonly #namespaces: string[] = [];

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  static async create(prefix: string): Promise<TestNode> {
    // Nothing that escapes a namespace may find its way to anywhere.
    for (const range of ['10.244.0.0/16', '10.96.0.0/16']) ip('route', 'replace', 'blackhole', range);
    const node = new TestNode(prefix);
    try {
      node.#addNamespaces();
      await Promise.all([
        node.#serve('pod-a', '10.244.1.2'),
        node.#serve('pod-b', '10.244.1.3'),
        node.#serve('other', '10.244.2.2'),
        node.#serve('node', '192.168.77.1'),
      ]);
    } catch (error) {
      node.dispose();
      throw error;
    }
    return node;
  }

  /** Runs nft and conntrack as the node would. */
  get run(): RunCommand {
    return (program, args, input) => runCommand('ip', ['netns', 'exec', this.#name('node'), program, ...args], input);
  }

  exec(namespace: string, program: string, ...args: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.#name(namespace), program, ...args], { encoding: 'utf8' });
  }

  /** A fresh connection (or UDP socket) a question: "NAME <source the server saw>", an error code, or "timeout". */
  async ask(from: string, protocol: 'tcp' | 'udp', address: string, port: number, count = 1): Promise<string[]> {
    const args = [process.execPath, peer, 'ask', protocol, address, String(port), String(count)];
    const { stdout } = await runCommand('ip', ['netns', 'exec', this.#name(from), ...args]);
    return stdout.trim().split('\n');
  }

  hold(from: string, protocol: 'tcp' | 'udp', address: string, port: number): Held {
    const child = this.#spawn(from, [peer, 'hold', protocol, address, String(port)]);
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      ask: async () => {
        child.stdin.write('?\n');
        const { value } = await answers.next();
        return String(value);
      },
    };
  }

  /** "STATUS BODY", or "ECODE " when there is no answer. */
  async get(from: string, url: string): Promise<string> {
    return (await runCommand('ip', ['netns', 'exec', this.#name(from), process.execPath, peer, 'get', url])).stdout;
  }

  /** Connections to `port` on the node's own 127.0.0.1 come out at the Unix socket `path`. */
  async relay(port: number, path: string): Promise<void> {
    await this.#ready(this.#spawn('node', [peer, 'relay', '127.0.0.1', String(port), path]));
  }

  /** Any script, on the node. */
  start(...args: readonly string[]): ChildProcessByStdio<Writable, Readable, null> {
    return this.#spawn('node', args);
  }

  /** `/proc/sys` of the node. */
  sysctl(path: string, value?: string): string {
    if (value !== undefined) this.exec('node', 'sh', '-c', `echo ${value} > /proc/sys/${path}`);
    return this.exec('node', 'cat', `/proc/sys/${path}`).trim();
  }

  dispose(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const namespace of this.#namespaces) {
      try {
        ip('netns', 'delete', namespace);
      } catch (error) {
        process.stderr.write(`${String(error)}\n`);
      }
    }
  }

  #name(namespace: string): string {
    return `${this.#prefix}-${namespace}`;
  }

  #addNamespaces(): void {
    for (const name of ['node', 'pod-a', 'pod-b', 'other', 'client']) {
      ip('netns', 'add', this.#name(name));
      this.#namespaces.push(this.#name(name));
      ip('-n', this.#name(name), 'link', 'set', 'lo', 'up');
    }
    const node = this.#name('node');
    ip('-n', node, 'link', 'add', 'cni0', 'type', 'bridge');
    ip('-n', node, 'addr', 'add', '10.244.1.1/24', 'dev', 'cni0');
    ip('-n', node, 'link', 'set', 'cni0', 'up');
    this.sysctl('net/ipv4/ip_forward', '1');
    for (const [name, address] of [
      ['pod-a', '10.244.1.2'],
      ['pod-b', '10.244.1.3'],
    ] as const) {
      this.#link(name, address, '10.244.1.1');
      ip('-n', node, 'link', 'set', `v-${name}`, 'master', 'cni0');
      // As the bridge plugin's hairpinMode does: a translated packet may leave by the port it came from.
      ip('-n', node, 'link', 'set', `v-${name}`, 'type', 'bridge_slave', 'hairpin', 'on');
    }
    this.#link('other', '192.168.77.2', '192.168.77.1');
    this.#link('client', '192.168.78.2', '192.168.78.1');
    ip('-n', node, 'addr', 'add', '192.168.77.1/24', 'dev', 'v-other');
    ip('-n', node, 'addr', 'add', '192.168.78.1/24', 'dev', 'v-client');
    ip('-n', this.#name('other'), 'addr', 'add', '10.244.2.2/32', 'dev', 'lo');
    ip('-n', node, 'route', 'add', '10.244.2.0/24', 'via', '192.168.77.2');
    // Rules see a packet only when a route takes it in: a node has one for everything, which here ends in the other node.
    for (const name of ['other', 'client']) this.exec(name, 'sh', '-c', 'echo 0 > /proc/sys/net/ipv4/ip_forward');
    ip('-n', node, 'route', 'add', 'default', 'via', '192.168.77.2');
  }

  #link(name: string, address: string, gateway: string): void {
    const [node, peerNode] = [this.#name('node'), this.#name(name)];
    ip('-n', node, 'link', 'add', `v-${name}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peerNode);
    ip('-n', peerNode, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    ip('-n', peerNode, 'link', 'set', 'eth0', 'up');
    ip('-n', peerNode, 'route', 'add', 'default', 'via', gateway);
    ip('-n', node, 'link', 'set', `v-${name}`, 'up');
  }

  async #serve(name: string, address: string): Promise<void> {
    await this.#ready(this.#spawn(name, [peer, 'serve', name, address, '8080']));
  }

  #ready(child: ChildProcessByStdio<Writable, Readable, null>): Promise<void> {
    return new Promise((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`a program of the test ended with ${String(code)}`)));
    });
  }

  #spawn(name: string, args: readonly string[]): ChildProcessByStdio<Writable, Readable, null> {
    const command = ['netns', 'exec', this.#name(name), process.execPath, ...args];
    const child = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.push(child);
    return child;
  }
}
