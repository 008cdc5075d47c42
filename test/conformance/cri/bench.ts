import { it } from 'vitest';
import { Context } from '#base/context';
import type { ContainerConfig, ContainerStatus, ImageService, PodSandboxConfig, RuntimeService } from '#cri/cri';

/** A runtime under test. */
export interface RuntimeUnderTest {
  readonly runtime: RuntimeService & ImageService;
  /** Waits for `promise` while the runtime's time goes by: real time for a real one, a stepped clock for the simulator. */
  patience<T>(promise: Promise<T>): Promise<T>;
  /** Has the runtime's time go by. */
  pass(ms: number): Promise<void>;
  /** Sees to it that the node has the image. */
  provide(image: string): Promise<void>;
  /** Makes a folder of files on the node, and returns its path. */
  folder(files: Readonly<Record<string, string>>): Promise<string>;
  /** Another client over the same runtime, as a restarted kubelet has it. Absent where `adoption` cannot be. */
  reopen?(): Promise<RuntimeService & ImageService>;
  /** Folder for logs and cgroup for containers, where these are real. */
  readonly logDirectory?: string;
  readonly cgroupParent?: string;
  close(): Promise<void>;
}

/** What a runtime may lack, with the reason. */
export type Capability =
  | 'adoption'
  | 'half-closed port-forward'
  | 'isolation'
  | 'limits'
  | 'many users'
  | 'resize'
  | 'shared namespaces'
  | 'sysctls';

export interface Target {
  readonly name: string;
  readonly cannot: Readonly<Partial<Record<Capability, string>>>;
  /** A container that answers HTTP on port 80 of its pod with a page that says "Welcome". */
  readonly webServer: { readonly image: string; readonly command: readonly string[] };
  readonly open: () => Promise<RuntimeUnderTest>;
}

export const image = 'docker.io/library/busybox:1.36';
export const context = Context.background();

/** One test's runtime with one sandbox in it, and the moves that most tests make. */
export class Bench {
  readonly target: Target;
  #under: RuntimeUnderTest | undefined;
  #sandbox: string | undefined;
  #names = 0;

  constructor(target: Target) {
    this.target = target;
  }

  /** A test that needs `capability`; skipped with the target's reason where it lacks it. */
  itCan(capability: Capability, name: string, test: () => Promise<void>): void {
    const reason = this.target.cannot[capability];
    if (reason !== undefined) process.stderr.write(`skipped: ${this.target.name}: ${name}: ${reason}\n`);
    it.skipIf(reason !== undefined)(name, test);
  }

  get under(): RuntimeUnderTest {
    if (!this.#under) throw new Error('the bench is not set up');
    return this.#under;
  }

  get runtime(): RuntimeService & ImageService {
    return this.under.runtime;
  }

  /** The id of the test's sandbox. */
  get sandbox(): string {
    if (this.#sandbox === undefined) throw new Error('the bench is not set up');
    return this.#sandbox;
  }

  async setUp(): Promise<void> {
    this.#under = await this.target.open();
    this.#names = 0;
    await this.under.provide(image);
    this.#sandbox = await this.runSandbox();
  }

  async tearDown(): Promise<void> {
    for (const { id } of await this.runtime.listPodSandboxes(context)) {
      await this.patience(this.runtime.removePodSandbox(context, id));
    }
    await this.under.close();
  }

  patience<T>(promise: Promise<T>): Promise<T> {
    return this.under.patience(promise);
  }

  sandboxConfig(more: Partial<PodSandboxConfig> = {}): PodSandboxConfig {
    const { logDirectory, cgroupParent } = this.under;
    const metadata = { name: 'pod', namespace: 'default', uid: 'uid-1', attempt: 0 };
    return {
      ...{ metadata, hostname: 'pod-host', labels: { app: 'test' }, annotations: { note: 'kept' }, network: 'POD' },
      ...(logDirectory === undefined ? {} : { logDirectory }),
      ...(cgroupParent === undefined ? {} : { cgroupParent }),
      ...more,
    };
  }

  runSandbox(more: Partial<PodSandboxConfig> = {}): Promise<string> {
    return this.patience(this.runtime.runPodSandbox(context, this.sandboxConfig(more)));
  }

  /** Another pod than the test's own. */
  runOther(more: Partial<PodSandboxConfig> = {}): Promise<string> {
    return this.runSandbox({ metadata: { name: 'other', namespace: 'default', uid: 'uid-2', attempt: 0 }, ...more });
  }

  containerConfig(command: readonly string[], more: Partial<ContainerConfig> = {}): ContainerConfig {
    const name = `c${this.#names++}`;
    const empty = { args: [], envs: [], mounts: [], labels: { tier: 'test' }, annotations: { remark: 'kept' } };
    const streams = { stdin: false, stdinOnce: false, tty: false };
    return { metadata: { name, attempt: 0 }, logPath: `${name}/0.log`, image, command, ...empty, ...streams, ...more };
  }

  create(
    command: readonly string[],
    more: Partial<ContainerConfig> = {},
    sandbox: string = this.sandbox,
  ): Promise<string> {
    return this.patience(this.runtime.createContainer(context, sandbox, this.containerConfig(command, more)));
  }

  async start(command: readonly string[], more: Partial<ContainerConfig> = {}, sandbox?: string): Promise<string> {
    const id = await this.create(command, more, sandbox);
    await this.patience(this.runtime.startContainer(context, id));
    return id;
  }

  async untilExited(id: string): Promise<ContainerStatus> {
    for (let tries = 0; tries < 600; tries++) {
      const status = await this.runtime.containerStatus(context, id);
      if (status.state === 'CONTAINER_EXITED') return status;
      await this.under.pass(50);
    }
    throw new Error(`container ${id} does not end`);
  }

  /** Runs a command to its end and returns what it wrote to stdout. */
  async output(id: string, ...command: readonly string[]): Promise<string> {
    const result = await this.patience(this.runtime.execSync(context, id, command, 0));
    return Buffer.from(result.stdout).toString();
  }

  /** The log so far, a line a record. */
  async log(id: string, options: { readonly tailLines?: number; readonly sinceMs?: number } = {}): Promise<string[]> {
    const lines: string[] = [];
    for await (const record of await this.runtime.containerLog(context, id, { follow: false, ...options })) {
      lines.push(`${record.stream} ${Buffer.from(record.text).toString()}`);
    }
    return lines;
  }
}

export async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  return (await bytesOf(stream)).toString('utf8');
}

export async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
