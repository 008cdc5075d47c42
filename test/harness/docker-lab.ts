import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Node, Pod } from '#api/gen/types';
import { Context } from '#base/context';
import { debianImageArchive, debianImages } from '#images/debian-images';
import { dockerLabels } from '#machines/docker/labels';
import { drydock, run, TestLab, type Output } from './lab.ts';
import { root } from './programs.ts';

const imageCache = join(root, 'node_modules/.cache/drydock/images');

/** Limits of a poll for what takes a pod's or a node's time; the machine may be busy with other tests. */
export const soon = { timeout: 45_000, interval: 250 };

export interface NodeStatus {
  readonly name: string;
  readonly status: string;
  readonly machine: string;
}

/** A lab of three Docker workers, made by the command line as a person makes it. */
export class DockerLab {
  readonly lab: TestLab;
  readonly workers: readonly string[];

  private constructor(lab: TestLab, workers: readonly string[]) {
    this.lab = lab;
    this.workers = workers;
  }

  static async up(): Promise<DockerLab> {
    // Addresses of pods and Services are nobody's outside the lab: what leaks must not leave this computer.
    for (const range of ['10.244.0.0/16', '10.96.0.0/16']) execFileSync('ip', ['route', 'replace', 'blackhole', range]);
    const flags = ['--driver', 'docker', '--workers', '3', '--cpus', '1', '--memory', '1Gi'];
    return new DockerLab(await TestLab.up(flags), ['worker-1', 'worker-2', 'worker-3']);
  }

  /** Debian's nginx, on every node as `nginx`. */
  async loadNginx(): Promise<void> {
    const file = await debianImageArchive(Context.background(), debianImages.nginx, imageCache, () => undefined);
    const { code, stderr } = await drydock(['image', 'load', file, '--home', this.lab.home]);
    if (code !== 0) throw new Error(`drydock image load ended with ${code}: ${stderr}`);
  }

  ok(...args: readonly string[]): Promise<string> {
    return this.lab.ok(args);
  }

  async apply(...items: readonly object[]): Promise<void> {
    await this.lab.ok(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  }

  /** A shell line in a pod. */
  script(pod: string, line: string, namespace = 'default'): Promise<Output> {
    return this.lab.kubectl(['exec', '-n', namespace, pod, '--', 'sh', '-c', line]);
  }

  /** Standard output of a shell line that must succeed. */
  async says(pod: string, line: string, namespace = 'default'): Promise<string> {
    const { code, stdout, stderr } = await this.script(pod, line, namespace);
    if (code !== 0) throw new Error(`in ${namespace}/${pod} "${line}" ended with ${code}: ${stderr}${stdout}`);
    return stdout.trim();
  }

  async get<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.ok('get', ...args, '-o', 'json')) as T;
  }

  async pods(selector: string, namespace = 'default'): Promise<readonly Pod[]> {
    const { items } = await this.get<{ readonly items: readonly Pod[] }>('pods', '-n', namespace, '-l', selector);
    return items;
  }

  /** `Ready`, `NotReady`…, as `kubectl get nodes` says it, by name. */
  async nodes(): Promise<Readonly<Record<string, string>>> {
    const lines = (await this.ok('get', 'nodes', '--no-headers')).trim().split('\n');
    return Object.fromEntries(lines.map((line) => line.split(/\s+/).slice(0, 2)));
  }

  async address(node: string): Promise<string> {
    const { status } = await this.get<Node>('node', node);
    return status?.addresses?.find((one) => one.type === 'InternalIP')?.address ?? '';
  }

  onEveryNode<T>(value: T): Readonly<Record<string, T>> {
    return Object.fromEntries(this.workers.map((name) => [name, value]));
  }

  async untilReady(): Promise<void> {
    await expect.poll(() => this.nodes(), soon).toEqual(this.onEveryNode('Ready'));
  }

  /** What is really so, as `drydock status` says it. */
  async machine(node: string): Promise<NodeStatus | undefined> {
    const { stdout } = await drydock(['status', '--json', '--home', this.lab.home]);
    return (JSON.parse(stdout) as { readonly nodes: readonly NodeStatus[] }).nodes.find((one) => one.name === node);
  }

  /** The container that is the node. */
  async container(node: string): Promise<string> {
    const filter = ['--filter', `label=${dockerLabels.home}=${this.lab.home}`];
    const byNode = ['--filter', `label=${dockerLabels.node}=${node}`, '--format', '{{.Names}}'];
    return this.docker('ps', '-a', ...filter, ...byNode);
  }

  /** A command on the node, not in a pod. */
  async onNode(node: string, line: string): Promise<string> {
    return this.docker('exec', await this.container(node), 'sh', '-c', line);
  }

  async docker(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await run('docker', args);
    if (code !== 0) throw new Error(`docker ${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout.trim();
  }

  /** What cluster DNS says of the API server to one question by UDP from each node, or why nobody answered. */
  async dnsByNode(): Promise<Readonly<Record<string, string>>> {
    const script = `
      const resolver = new (require('dns').promises.Resolver)({ tries: 1, timeout: 2000 });
      resolver.setServers(['10.96.0.10']);
      resolver.resolve4('kubernetes.default.svc.cluster.local').then(String, String).then(console.log);`;
    const ask = async (node: string): Promise<readonly [string, string]> => {
      return [node, await this.docker('exec', await this.container(node), 'node', '-e', script)];
    };
    return Object.fromEntries(await Promise.all(this.workers.map(ask)));
  }

  /** Everything in Docker that carries the home's label. */
  async traces(): Promise<string> {
    const filter = ['--filter', `label=${dockerLabels.home}=${this.lab.home}`];
    const lists = [
      this.docker('ps', '-aq', ...filter),
      this.docker('network', 'ls', '-q', ...filter),
      this.docker('volume', 'ls', '-q', ...filter),
    ];
    return (await Promise.all(lists)).join('');
  }
}
