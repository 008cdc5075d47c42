import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import type { ContainerConfig, ContainerStatus } from '../../cri.ts';
import { SimulatedRuntime } from '../runtime.ts';
import { MemoryNetwork } from './memory-network.ts';

const background = Context.background();

/** A simulated runtime on a stepped clock, with one sandbox to start containers in. */
export class ContainerFixture {
  readonly clock = new SteppedClock();
  readonly network = new MemoryNetwork();
  readonly runtime: SimulatedRuntime;
  #sandbox: string | undefined;

  constructor() {
    this.runtime = new SimulatedRuntime({
      clock: this.clock,
      random: new SeededRandom(1),
      logger: silentLogger,
      network: this.network,
    });
  }

  async start(image: string, config: Partial<ContainerConfig> = {}): Promise<string> {
    const { runtime } = this;
    const metadata = { name: 'web', namespace: 'default', uid: 'u1', attempt: 0 };
    const dnsConfig = {
      servers: ['10.96.0.10'],
      searches: ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
      options: ['ndots:5'],
    };
    this.#sandbox ??= await runtime.runPodSandbox(background, {
      metadata,
      hostname: 'web-0',
      dnsConfig,
      labels: {},
      annotations: {},
      network: 'POD',
    });
    await this.settle(runtime.pullImage(background, image));
    const id = await runtime.createContainer(background, this.#sandbox, {
      metadata: { name: 'main', attempt: 0 },
      image,
      command: [],
      args: [],
      envs: [],
      mounts: [],
      labels: {},
      annotations: {},
      stdin: false,
      stdinOnce: false,
      tty: false,
      ...config,
    });
    await runtime.startContainer(background, id);
    return id;
  }

  /** Steps the clock until `promise` is done; fails after `limitMs` of lab time. */
  async settle<T>(promise: Promise<T>, limitMs = 600_000): Promise<T> {
    let done = false;
    const finished = promise.finally(() => {
      done = true;
    });
    finished.catch(() => undefined); // the caller awaits it below; until then it is not unhandled
    for (let spentMs = 0; !done && spentMs < limitMs; spentMs += 100) await this.clock.step(100);
    if (!done) throw new Error(`not done after ${limitMs} ms of lab time`);
    return finished;
  }

  status(id: string): Promise<ContainerStatus> {
    return this.runtime.containerStatus(background, id);
  }

  async log(id: string): Promise<string> {
    let text = '';
    for await (const record of await this.runtime.containerLog(background, id, { follow: false })) {
      text += Buffer.from(record.text).toString('utf8') + (record.partial ? '' : '\n');
    }
    return text;
  }

  /** Runs `sh -c script` in a busybox container that idles; gives what it wrote and how it ended. */
  async sh(script: string, image = 'busybox'): Promise<{ out: string; err: string; code: number }> {
    const id = await this.start(image, { command: ['sleep', '1000000'] });
    return this.exec(id, ['sh', '-c', script]);
  }

  async exec(id: string, command: readonly string[]): Promise<{ out: string; err: string; code: number }> {
    const result = await this.settle(this.runtime.execSync(background, id, command, 0));
    return {
      out: Buffer.from(result.stdout).toString('utf8'),
      err: Buffer.from(result.stderr).toString('utf8'),
      code: result.exitCode,
    };
  }
}
