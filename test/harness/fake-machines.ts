import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { StatusError } from '#api/machinery/status';
import type { Fault, FaultSpec } from '#contract/faults';
import type { ProgressStep, Task } from '#contract/labs';
import type { DockerCheck, SshProbe, SshTarget } from '#contract/machines';

const fakeHostKey = 'SHA256:u2Hq0Pd0q9R1rWkYcTzq6m0v4kq0m3w6oJH1yT5nGdE';

export const fakeDocker: DockerCheck = {
  usable: true,
  version: '28.1.1',
  cpus: 8,
  memoryBytes: 16 * 1024 ** 3,
  imageCached: false,
};

export const fakeDockerRefused: DockerCheck = {
  usable: false,
  reason: 'no permission for /var/run/docker.sock: add yourself to the group docker, then log in again',
};

/** A machine that lets in who trusts its key and gives any password but `wrong`. */
export function fakeProbe(target: SshTarget): SshProbe {
  if (target.host === 'unreachable')
    throw new StatusError('ServiceUnavailable', 'unreachable:22 does not answer: no such host; check the name');
  if (target.auth.kind === 'password' && target.auth.password === 'wrong')
    throw new StatusError('Forbidden', `${target.host} lets ${target.user} not in with that password`);
  const trusted = target.hostKey === fakeHostKey;
  const hostKey = { algorithm: 'ssh-ed25519', fingerprint: fakeHostKey, trusted };
  const jump = target.jump
    ? {
        jumpHostKey: {
          algorithm: 'ssh-rsa',
          fingerprint: fakeHostKey.replace('u2', 'Jp'),
          trusted: target.jump.hostKey !== undefined,
        },
      }
    : {};
  if (target.jump && target.jump.hostKey === undefined) return { ...jump, missing: [] };
  if (!trusted) return { ...jump, hostKey, missing: [] };
  return {
    ...jump,
    hostKey,
    facts: {
      os: 'Debian GNU/Linux 12 (bookworm)',
      arch: 'x86_64',
      kernel: '6.1.0-32-amd64',
      cpus: 4,
      memoryBytes: 8 * 1024 ** 3,
      freeDiskBytes: 41 * 1024 ** 3,
      supervisor: 'systemd',
    },
    missing: [
      { name: 'containerd', text: 'will be installed with apt-get', installable: true },
      { name: 'nftables', text: 'will be installed with apt-get', installable: true },
    ],
  };
}

function faultText(spec: FaultSpec): string {
  switch (spec.kind) {
    case 'node':
      return `${spec.node}: ${spec.action}`;
    case 'process':
      return `${spec.process} of ${spec.node} is held down`;
    case 'cut':
      return `no packet goes from ${spec.from} to ${spec.to}${spec.oneWay ? '' : ' or back'}`;
    case 'shape':
      return `what ${spec.from} sends to ${spec.to ?? 'every node'} is held up`;
    default:
      return `${spec.kind} of ${spec.node} is under pressure`;
  }
}

/** Faults and tasks that take their time and do nothing. */
export class FakeMachines {
  readonly #clock: Clock;
  readonly #tell: (kind: string, object: unknown) => void;
  readonly faults = new Map<string, Fault>();
  readonly tasks = new Map<string, Task>();
  #nextId = 1;

  constructor(clock: Clock, tell: (kind: string, object: unknown) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  setFault(fault: Fault): void {
    this.faults.set(fault.id, fault);
    this.#tell('faults', fault);
  }

  async addFault(context: Context, spec: FaultSpec, forSeconds: number): Promise<Fault> {
    const sinceMs = this.#clock.now();
    const id = `f-${this.#nextId++}`;
    const base = { id, spec, sinceMs, text: faultText(spec), expiresAtMs: sinceMs + forSeconds * 1000 };
    this.setFault({ ...base, state: 'applying' });
    await this.#clock.sleep(context, 400);
    const fault: Fault =
      spec.kind === 'shape' && spec.lossPercent
        ? { ...base, state: 'failed', text: 'the kernel has no netem: loss cannot be made; cut the link instead' }
        : { ...base, state: 'active' };
    this.setFault(fault);
    if (fault.state === 'failed') throw new StatusError('Invalid', fault.text);
    this.#clock.setTimer(forSeconds * 1000, () => this.setFault({ ...fault, state: 'healed' }));
    return fault;
  }

  async healFault(context: Context, id: string): Promise<void> {
    const fault = this.faults.get(id);
    if (!fault) throw new StatusError('NotFound', `there is no fault ${id}`);
    this.setFault({ ...fault, state: 'healing' });
    await this.#clock.sleep(context, 600);
    this.setFault({ ...fault, state: 'healed', text: `${fault.text}: healed` });
  }

  /** Goes through `texts`, each in quarters. */
  async runTask(context: Context, what: Pick<Task, 'kind' | 'subject'>, texts: readonly string[]): Promise<void> {
    const task: Task = {
      id: `t-${this.#nextId++}`,
      ...what,
      state: 'running',
      steps: [],
      sinceMs: this.#clock.now(),
    };
    for (let at = 0; at < texts.length * 4; at++) {
      this.#setTask({ ...task, steps: texts.map((text, index) => stepAt(text, at / 4 - index)) });
      await this.#clock.sleep(context, 350);
    }
    this.#setTask({ ...task, state: 'done', steps: texts.map((text) => ({ text, state: 'done', elapsedMs: 1400 })) });
  }

  #setTask(task: Task): void {
    this.tasks.set(task.id, task);
    this.#tell('tasks', task);
  }
}

function stepAt(text: string, progress: number): ProgressStep {
  if (progress < 0) return { text, state: 'waiting' };
  if (progress >= 1) return { text, state: 'done', elapsedMs: 1400 };
  return { text, state: 'running', fraction: progress, elapsedMs: progress * 1400 };
}
