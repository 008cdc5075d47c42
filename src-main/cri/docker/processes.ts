import type { Duplex } from 'node:stream';
import type { Exec } from 'dockerode';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { ByteStream, ExecOptions, ExecSession } from '#base/streams';
import { CriError, type ExecSyncResult } from '../cri.ts';
import type { DockerConnection } from './engine.ts';
import { openSession, type Ending } from './session.ts';

/** The engine ends streams a moment before it knows the exit code: how long, and how often it is asked. */
const endingTries = 150;
const endingMs = 20;
/** Kubernetes knows no key that detaches, and the engine's own (ctrl-p) is a shell's: something nobody types. */
const detachKeys = 'ctrl-^,ctrl-_,ctrl-^,ctrl-_';

export interface ProcessOptions {
  readonly connection: DockerConnection;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Commands in containers, and the streams of containers themselves. */
export class DockerProcesses {
  readonly #options: ProcessOptions;

  constructor(options: ProcessOptions) {
    this.#options = options;
  }

  /** `user` overrides whom the container runs as. */
  async exec(context: Context, containerId: string, options: ExecOptions & { user?: string }): Promise<ExecSession> {
    const { connection } = this.#options;
    const { command, tty, stdin, stdout, stderr, user } = options;
    const exec = await connection.call(context, (docker) =>
      docker.getContainer(containerId).exec({
        Cmd: [...command],
        AttachStdin: stdin,
        AttachStdout: stdout,
        AttachStderr: stderr && !tty,
        Tty: tty,
        DetachKeys: detachKeys,
        ...(user === undefined ? {} : { User: user }),
      }),
    );
    const stream = await connection.call(context, () => exec.start({ hijack: true, stdin: true, Tty: tty }));
    const look = (life: Context): ReturnType<Exec['inspect']> => connection.call(life, () => exec.inspect());
    return openSession(context, {
      ...{ stream, tty, stdin },
      neverStarted: async (life) => {
        const { Running: running, Pid: pid } = await look(life);
        return !running && pid === 0;
      },
      ending: (life) =>
        this.#ending(life, async () => {
          const { Running: running, ExitCode: exitCode } = await look(life);
          return running || exitCode === null ? undefined : { exitCode };
        }),
      resize: (w, h) => this.#ignoring(context, () => exec.resize({ w, h })),
    });
  }

  /** Throws CriError DeadlineExceeded; the engine cannot end the command then, it goes on. */
  async execSync(
    context: Context,
    containerId: string,
    command: readonly string[],
    timeoutSeconds: number,
  ): Promise<ExecSyncResult> {
    const { clock } = this.#options;
    const limit = timeoutSeconds > 0 ? context.withTimeout(clock, timeoutSeconds * 1000) : context.withCancel();
    try {
      const streams = { tty: false, stdin: false, stdout: true, stderr: true };
      const session = await this.exec(limit.context, containerId, { ...streams, command });
      const [stdout, stderr, { exitCode }] = await Promise.all([
        bytesOf(session.stdout),
        bytesOf(session.stderr),
        session.exit,
      ]);
      return { stdout, stderr, exitCode };
    } catch (error) {
      context.check();
      if (limit.context.endedBy !== 'deadline') throw error;
      const text = `command "${command.join(' ')}" did not end within ${timeoutSeconds} s`;
      throw new CriError('DeadlineExceeded', text, { cause: error });
    } finally {
      limit.cancel();
    }
  }

  async attach(
    context: Context,
    containerId: string,
    options: Omit<ExecOptions, 'command'> & { readonly hasTerminal: boolean },
  ): Promise<ExecSession> {
    const { connection } = this.#options;
    const { stdin, stdout, stderr, hasTerminal } = options;
    const stream = await connection.call(context, (docker) =>
      docker
        .getContainer(containerId)
        .attach({ stream: true, hijack: true, logs: false, stdin, stdout, stderr: stderr && !hasTerminal, detachKeys }),
    );
    return openSession(context, {
      ...{ stream: stream as Duplex, tty: hasTerminal, stdin },
      neverStarted: () => Promise.resolve(false),
      ending: (life) =>
        this.#ending(life, async () => {
          const facts = await connection.call(life, (docker) => docker.getContainer(containerId).inspect());
          return facts.State.Running ? undefined : { exitCode: facts.State.ExitCode };
        }),
      resize: (w, h) =>
        this.#ignoring(context, () =>
          connection.call(context, (docker) => docker.getContainer(containerId).resize({ w, h })),
        ),
    });
  }

  /** Through a process in the sandbox's own namespaces: so its loopback is reached, wherever the engine runs. */
  async portForward(context: Context, sandboxId: string, port: number): Promise<ByteStream> {
    const command = ['/bin/busybox', 'nc', '127.0.0.1', String(port)];
    const streams = { tty: false, stdin: true, stdout: true, stderr: true };
    const session = await this.exec(context, sandboxId, { ...streams, command });
    const { stdin } = session;
    if (!stdin) throw new CriError('Unknown', 'the relay was started without an input');
    const said = bytesOf(session.stderr);
    said.catch(() => undefined);
    async function* incoming(): AsyncGenerator<Uint8Array> {
      yield* session.stdout;
      const { exitCode } = await session.exit;
      if (exitCode === 0) return;
      const why = (await said).toString('utf8').trim();
      throw new CriError('Unavailable', `port ${port} of the sandbox: ${why || 'the connection broke'}`);
    }
    return {
      incoming: incoming(),
      write: (chunk) => stdin.write(chunk),
      end: () => stdin.end(),
      destroy: () => session.close(),
    };
  }

  async #ending(context: Context, ask: () => Promise<Ending | undefined>): Promise<Ending> {
    for (let tries = 0; tries < endingTries; tries++) {
      const ending = await ask();
      if (ending) return ending;
      await this.#options.clock.sleep(context, endingMs);
    }
    throw new CriError('Unavailable', 'the streams ended, and the process goes on without them');
  }

  #ignoring(context: Context, resize: () => Promise<unknown>): void {
    resize().catch((error: unknown) => {
      if (!context.ended) this.#options.logger.debug('a terminal was not resized', { error: messageOf(error) });
    });
  }
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
