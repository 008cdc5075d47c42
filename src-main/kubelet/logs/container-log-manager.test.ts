import { beforeEach, expect, test } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { silentLogger } from '#base/logger';
import { CriError, type Container, type ContainerState, type ContainerStatus } from '#cri/cri';
import { ContainerLogManager } from './container-log-manager.ts';
import type { LogFiles } from './log-files.ts';

const folder = '/var/log/pods/default_web_uid/main';
const log = `${folder}/0.log`;
const context = Context.background();

/** A node with one running container and files that are a size each. */
class Node implements LogFiles {
  readonly clock = new SteppedClock(Date.UTC(2026, 0, 2, 3, 4, 5));
  readonly files = new Map<string, number>([[log, 0]]);
  readonly calls: string[] = [];
  readonly states = new Map<string, ContainerState>([['main', 'CONTAINER_RUNNING']]);
  logPath: string | undefined = log;
  broken: string | undefined;
  readonly manager = new ContainerLogManager({
    runtime: {
      listContainers: async () => [...this.states].map(([id, state]) => container(id, state)),
      containerStatus: async (_context, id) => {
        this.calls.push(`status ${id}`);
        return status(container(id, 'CONTAINER_RUNNING'), this.logPath);
      },
      reopenContainerLog: async (_context, id) => {
        if (this.broken) throw new CriError('Unavailable', this.broken);
        this.calls.push(`reopen ${id}`);
        this.files.set(log, 0);
      },
    },
    ...{ files: this, clock: this.clock, logger: silentLogger, policy: { maxSizeBytes: 100, maxFiles: 4 } },
  });

  get names(): readonly string[] {
    return [...this.files.keys()].map((path) => path.slice(folder.length + 1)).sort();
  }

  /** Lets the log grow to its limit and time go to the manager's next look. */
  async fill(): Promise<void> {
    this.files.set(log, 100);
    await this.clock.step(10_000);
  }

  async size(path: string): Promise<number | undefined> {
    return this.files.get(path);
  }
  async list(path: string): Promise<readonly string[]> {
    return [...this.files.keys()].flatMap((each) => (each.startsWith(`${path}/`) ? [each.slice(path.length + 1)] : []));
  }
  async rename(from: string, to: string): Promise<void> {
    this.files.set(to, this.files.get(from) ?? 0);
    this.files.delete(from);
  }
  async compress(from: string, to: string): Promise<void> {
    this.files.set(to, (this.files.get(from) ?? 0) / 10);
  }
  async remove(path: string): Promise<void> {
    this.files.delete(path);
  }
}

function container(id: string, state: ContainerState): Container {
  const facts = {
    id,
    podSandboxId: 's',
    metadata: { name: id, attempt: 0 },
    image: 'x',
    imageRef: 'x',
    createdAtMs: 0,
  };
  return { ...facts, state, labels: {}, annotations: {} };
}

function status(of: Container, logPath: string | undefined): ContainerStatus {
  return logPath === undefined ? of : { ...of, logPath };
}

let node: Node;
beforeEach(() => {
  node = new Node();
});

test('a full log gets a new file, older ones are compressed, the oldest go', async () => {
  const { context: life, cancel } = context.withCancel();
  const running = node.manager.run(life);
  node.files.set(log, 99);
  await node.clock.step(10_000);
  expect(node.names).toEqual(['0.log']);
  await node.fill();
  expect(node.names).toEqual(['0.log', '0.log.20260102-030425']);
  await node.fill();
  expect(node.names).toEqual(['0.log', '0.log.20260102-030425.gz', '0.log.20260102-030435']);
  await node.fill();
  await node.fill();
  expect(node.names).toEqual([
    '0.log',
    '0.log.20260102-030435.gz',
    '0.log.20260102-030445.gz',
    '0.log.20260102-030455',
  ]);
  expect(node.calls).toEqual(['status main', ...Array.from({ length: 4 }, () => 'reopen main')]);
  cancel();
  await expect(running).rejects.toBeInstanceOf(CancelledError);
});

test('containers that do not run, and runtimes without log files, are left alone', async () => {
  node.files.set(log, 500);
  node.states.set('main', 'CONTAINER_EXITED');
  await node.manager.rotateLogs(context);
  node.states.set('main', 'CONTAINER_RUNNING');
  node.logPath = undefined;
  await node.manager.rotateLogs(context);
  expect([node.names, node.calls]).toEqual([['0.log'], ['status main']]);
});

test('a log whose runtime cannot reopen it keeps its name until the next look', async () => {
  const { context: life, cancel } = context.withCancel();
  const running = node.manager.run(life);
  node.broken = 'no runtime';
  await node.fill();
  expect([node.names, node.files.get(log)]).toEqual([['0.log'], 100]);
  node.broken = undefined;
  await node.clock.step(10_000);
  expect(node.names).toEqual(['0.log', '0.log.20260102-030425']);
  cancel();
  await expect(running).rejects.toBeInstanceOf(CancelledError);
});

test('what a kubelet left half-way is finished: a log not reopened, a compression cut short', async () => {
  node.files.delete(log);
  await node.manager.rotateLogs(context);
  expect(node.calls).toEqual(['status main', 'reopen main']);
  for (const name of ['1', '1.gz', '2', '2.tmp']) node.files.set(`${log}.2026010${name}`, 100);
  node.files.set(log, 100);
  await node.manager.rotateLogs(context);
  expect(node.names).toEqual(['0.log', '0.log.20260101.gz', '0.log.20260102-030405', '0.log.20260102.gz']);
});
