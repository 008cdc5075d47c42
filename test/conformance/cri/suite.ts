import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Context } from '#base/context';
import { CriError, type ContainerConfig, type ContainerEvent, type ImageService, type RuntimeService } from '#cri/cri';

/** A runtime under test. `patience` lets what is under way go on: real time for a real one, a stepped clock for the simulator. */
export interface RuntimeUnderTest {
  readonly runtime: RuntimeService & ImageService;
  /** Waits for `promise` while the runtime's time goes by. */
  patience<T>(promise: Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const context = Context.background();
const image = 'docker.io/library/busybox:1.36';

function config(command: readonly string[], more: Partial<ContainerConfig> = {}): ContainerConfig {
  const metadata = { name: 'main', attempt: 0 };
  const empty = { envs: [], mounts: [], labels: { app: 'test' }, annotations: {} };
  return { metadata, image, command, args: [], ...empty, stdin: false, stdinOnce: false, tty: false, ...more };
}

async function text(stream: AsyncIterable<Uint8Array>): Promise<string> {
  let out = '';
  for await (const chunk of stream) out += Buffer.from(chunk).toString('utf8');
  return out;
}

/** What every runtime behind the CRI interface promises. */
export function criConformance(name: string, open: () => Promise<RuntimeUnderTest>): void {
  describe(`CRI v1: ${name}`, () => {
    let target: RuntimeUnderTest;
    let sandbox: string;

    beforeEach(async () => {
      target = await open();
      const metadata = { name: 'pod', namespace: 'default', uid: 'uid-1', attempt: 0 };
      const sandboxConfig = { metadata, hostname: 'pod-host', labels: {}, annotations: {}, network: 'POD' } as const;
      await target.patience(target.runtime.pullImage(context, image));
      sandbox = await target.patience(target.runtime.runPodSandbox(context, sandboxConfig));
    });

    afterEach(async () => {
      await target.patience(target.runtime.removePodSandbox(context, sandbox));
      await target.close();
    });

    const start = async (command: readonly string[], more: Partial<ContainerConfig> = {}): Promise<string> => {
      const id = await target.patience(target.runtime.createContainer(context, sandbox, config(command, more)));
      await target.patience(target.runtime.startContainer(context, id));
      return id;
    };

    const untilExited = async (id: string): Promise<void> => {
      const followed = await target.runtime.containerLog(context, id, { follow: true });
      const read = async (): Promise<void> => {
        for await (const record of followed) void record;
      };
      await target.patience(read());
    };

    it('gives a sandbox an address and lists it by pod uid', async () => {
      const status = await target.runtime.podSandboxStatus(context, sandbox);
      expect(status).toMatchObject({ state: 'SANDBOX_READY', ip: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/) });
      expect(await target.runtime.listPodSandboxes(context, { podUid: 'uid-1' })).toHaveLength(1);
      expect(await target.runtime.listPodSandboxes(context, { podUid: 'other' })).toEqual([]);
    });

    it('takes a container through created, running and exited', async () => {
      const id = await target.patience(
        target.runtime.createContainer(context, sandbox, config(['sh', '-c', 'exit 3'])),
      );
      expect((await target.runtime.containerStatus(context, id)).state).toBe('CONTAINER_CREATED');
      await target.patience(target.runtime.startContainer(context, id));
      await untilExited(id);
      const status = await target.runtime.containerStatus(context, id);
      expect(status).toMatchObject({ state: 'CONTAINER_EXITED', exitCode: 3, reason: 'Error' });
      expect(status.finishedAtMs).toBeGreaterThanOrEqual(status.startedAtMs ?? Infinity);
    });

    it('keeps stdout and stderr apart, with times in order', async () => {
      const id = await start(['sh', '-c', 'echo one; echo two >&2; echo three']);
      await untilExited(id);
      const records = [];
      for await (const record of await target.runtime.containerLog(context, id, { follow: false }))
        records.push(record);
      expect(records.map((record) => `${record.stream} ${Buffer.from(record.text).toString()}`)).toEqual([
        'stdout one',
        'stderr two',
        'stdout three',
      ]);
      const times = records.map((record) => record.timestamp);
      expect([...times].sort()).toEqual(times);
      expect(times[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    });

    it('gives the last lines asked for', async () => {
      const id = await start(['sh', '-c', 'for i in 1 2 3 4; do echo $i; done']);
      await untilExited(id);
      let tail = '';
      for await (const record of await target.runtime.containerLog(context, id, { follow: false, tailLines: 2 })) {
        tail += Buffer.from(record.text).toString();
      }
      expect(tail).toBe('34');
    });

    it('sends SIGTERM first and SIGKILL when the time is over', async () => {
      const polite = await start(['sh', '-c', 'trap "exit 7" TERM; while true; do sleep 1; done']);
      await target.patience(target.runtime.stopContainer(context, polite, 30));
      expect((await target.runtime.containerStatus(context, polite)).exitCode).toBe(7);
      const deaf = await start(['sleep', '1000'], { metadata: { name: 'deaf', attempt: 0 } });
      await target.patience(target.runtime.stopContainer(context, deaf, 1));
      expect((await target.runtime.containerStatus(context, deaf)).exitCode).toBe(137);
    });

    it('hands environment, working directory and host name to the process', async () => {
      const envs = [{ key: 'GREETING', value: 'hello' }];
      const id = await start(['sleep', '1000'], { envs, workingDir: '/tmp' });
      const command = ['sh', '-c', 'echo $GREETING $(pwd) $(hostname)'];
      const result = await target.patience(target.runtime.execSync(context, id, command, 0));
      expect(Buffer.from(result.stdout).toString()).toBe('hello /tmp pod-host\n');
    });

    it('reports exit code and both streams of execSync, and its timeout', async () => {
      const id = await start(['sleep', '1000']);
      const result = await target.patience(
        target.runtime.execSync(context, id, ['sh', '-c', 'echo o; echo e >&2; exit 4'], 0),
      );
      expect([result.exitCode, Buffer.from(result.stdout).toString(), Buffer.from(result.stderr).toString()]).toEqual([
        4,
        'o\n',
        'e\n',
      ]);
      await expect(target.patience(target.runtime.execSync(context, id, ['sleep', '60'], 1))).rejects.toMatchObject({
        code: 'DeadlineExceeded',
      });
    });

    it('streams an exec session with its input', async () => {
      const id = await start(['sleep', '1000']);
      const session = await target.runtime.exec(context, id, {
        command: ['cat'],
        tty: false,
        stdin: true,
        stdout: true,
        stderr: true,
      });
      const reading = text(session.stdout);
      await session.stdin?.write(Buffer.from('through the pipe'));
      session.stdin?.end();
      expect(await target.patience(session.exit)).toEqual({ exitCode: 0 });
      expect(await reading).toBe('through the pipe');
    });

    it('refuses commands and containers that are not there with codes', async () => {
      const id = await start(['sleep', '1000']);
      const missing = { command: ['no-such-binary'], tty: false, stdin: false, stdout: true, stderr: true };
      await expect(target.runtime.exec(context, id, missing)).rejects.toMatchObject({
        code: 'Unknown',
        message: expect.stringContaining('no-such-binary'),
      });
      await expect(target.runtime.containerStatus(context, 'nope')).rejects.toBeInstanceOf(CriError);
      await expect(target.runtime.containerStatus(context, 'nope')).rejects.toMatchObject({ code: 'NotFound' });
      await expect(target.patience(target.runtime.pullImage(context, 'UPPER/Case'))).rejects.toMatchObject({
        code: 'InvalidArgument',
      });
    });

    it('removes idempotently, with what it holds', async () => {
      const id = await start(['sleep', '1000']);
      await target.patience(target.runtime.removePodSandbox(context, sandbox));
      await target.patience(target.runtime.removePodSandbox(context, sandbox));
      await target.patience(target.runtime.removeContainer(context, id));
      expect(await target.runtime.listContainers(context)).toEqual([]);
      expect(await target.runtime.listPodSandboxes(context)).toEqual([]);
    });

    it('tells of every change as an event', async () => {
      const { context: listening, cancel } = context.withCancel();
      const seen: ContainerEvent[] = [];
      const reading = (async () => {
        for await (const event of target.runtime.getContainerEvents(listening)) seen.push(event);
      })();
      const id = await start(['true']);
      await untilExited(id);
      await target.patience(target.runtime.removeContainer(context, id));
      cancel();
      await reading;
      expect(seen.filter((event) => event.containerId === id).map((event) => event.type)).toEqual([
        'CONTAINER_CREATED_EVENT',
        'CONTAINER_STARTED_EVENT',
        'CONTAINER_STOPPED_EVENT',
        'CONTAINER_DELETED_EVENT',
      ]);
      expect(seen[0]?.podSandboxMetadata.uid).toBe('uid-1');
    });

    it('knows a pulled image by tag, digest and id, until it is removed', async () => {
      const held = await target.runtime.imageStatus(context, 'busybox:1.36');
      expect(held?.repoTags).toContain(image);
      expect(await target.runtime.imageStatus(context, held?.id ?? '')).toEqual(held);
      expect(await target.runtime.imageStatus(context, held?.repoDigests[0] ?? '')).toEqual(held);
      await target.runtime.removeImage(context, image);
      expect(await target.runtime.imageStatus(context, image)).toBeUndefined();
    });

    it('carries a forwarded connection to a port of the sandbox, or says that nobody listens', async () => {
      await target.patience(target.runtime.pullImage(context, 'docker.io/library/nginx:1.27'));
      await start([], { image: 'docker.io/library/nginx:1.27' });
      const stream = await target.patience(target.runtime.portForward(context, sandbox, 80));
      await stream.write(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
      expect(await target.patience(text(stream.incoming))).toContain('Welcome to nginx!');
      await expect(target.patience(target.runtime.portForward(context, sandbox, 81))).rejects.toMatchObject({
        code: 'Unavailable',
      });
    });
  });
}
