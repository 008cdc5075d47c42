import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Context } from '#base/context';
import type { ExecSession } from '#base/streams';
import { MachineError } from '#machines/errors';
import { machinePaths, type MachineFile, type RemoteMachine } from '#machines/machine';
import { run, textOf } from './run.ts';

/** One driver under test. */
export interface MachineTarget {
  readonly name: string;
  /** True when what the driver needs is not here. */
  readonly skip: boolean;
  /** A machine that nobody prepared yet. */
  create(): Promise<TestMachine>;
}

export interface TestMachine {
  readonly machine: RemoteMachine;
  /** What `start` is given. */
  readonly files: readonly MachineFile[];
  /** Whether anything of ours is left, asked from outside after `remove`. */
  traces(): Promise<readonly string[]>;
  /**
   * Starts another process that connects to the machine as Drydock does, runs `command` with a standard input that it keeps
   * open, and prints a line once it runs. The test kills it with SIGKILL.
   */
  spawnClient(command: readonly string[]): Promise<{ kill(): void }>;
  /** The machine loses power by another hand than the driver's; undefined where a test cannot do that. */
  readonly killFromOutside?: () => Promise<void>;
  dispose(): Promise<void>;
}

const context = Context.background();
const poll = { timeout: 15_000, interval: 100 };

/** What every driver of {@link RemoteMachine} promises. The tests are one story and run in order. */
export function machineConformance(target: MachineTarget): void {
  describe.skipIf(target.skip)(`machines: ${target.name}`, { timeout: 180_000 }, () => {
    let subject: TestMachine;
    let machine: RemoteMachine;
    beforeAll(async () => {
      subject = await target.create();
      machine = subject.machine;
    }, 180_000);
    afterAll(() => subject.dispose(), 60_000);

    test('prepares and starts, telling what it does', async () => {
      const said: string[] = [];
      const fractions: number[] = [];
      await machine.prepare(context, ({ text, fraction }) => {
        said.push(text);
        if (fraction !== undefined) fractions.push(fraction);
      });
      await machine.start(context, subject.files, ({ text }) => said.push(text));
      expect(machine.state).toBe('running');
      expect(machine.address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
      expect(said.length).toBeGreaterThan(0);
      expect(fractions.every((fraction) => fraction >= 0 && fraction <= 1)).toBe(true);
      expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
      const config = await run(machine, ['cat', machinePaths.agentConfig]);
      expect(config.stdout).toBe(Buffer.from(subject.files[0]?.content ?? []).toString());
      expect((await run(machine, ['stat', '-c', '%a', machinePaths.agentConfig])).stdout.trim()).toBe('600');
    });

    test('adopts an agent that runs with the same files', async () => {
      const before = await supervisorPid(machine);
      expect(before).toMatch(/^\d+$/);
      await machine.start(context, subject.files, () => undefined);
      expect(await supervisorPid(machine)).toBe(before);
    });

    test('runs commands with their exit codes and both outputs', async () => {
      expect(await run(machine, ['sh', '-c', 'echo out; echo err >&2; exit 3'])).toEqual({
        stdout: 'out\n',
        stderr: 'err\n',
        exitCode: 3,
      });
      expect((await run(machine, ['printf', '%s|', 'a b', "it's", '$HOME', ''])).stdout).toBe("a b|it's|$HOME||");
      expect((await run(machine, ['id', '-u'])).stdout.trim()).toBe('0');
    });

    test('says when a command cannot be started', async () => {
      const started = machine.exec(context, ['/no/such/program'], { stdin: false }).then((session) => session.exit);
      await expect(started).rejects.toBeInstanceOf(MachineError);
    });

    test('carries standard input and its end, with back-pressure', async () => {
      const session = await machine.exec(context, ['sh', '-c', 'sha256sum; echo end'], { stdin: true });
      const chunk = Buffer.alloc(256 * 1024, 'x');
      for (let index = 0; index < 32; index++) await session.stdin?.write(chunk);
      session.stdin?.end();
      expect(await textOf(session.stdout)).toBe(
        '0c77bc0a0795a93612d45256897456d0fcb24f151c44c150d07ecd03f4ef5168  -\nend\n',
      );
      expect(await session.exit).toEqual({ exitCode: 0 });
    });

    test('gives large output in full to a reader that is slow to begin', async () => {
      const session = await machine.exec(context, ['sh', '-c', 'head -c 8000000 /dev/zero; echo done >&2'], {
        stdin: false,
      });
      await new Promise((resolve) => setImmediate(resolve));
      let bytes = 0;
      for await (const piece of session.stdout) bytes += piece.length;
      expect(bytes).toBe(8_000_000);
      expect(await textOf(session.stderr)).toBe('done\n');
    });

    test('ends a command’s standard input when the client is killed', async () => {
      const mark = '/run/client-has-died';
      const client = await subject.spawnClient(['sh', '-c', `cat >/dev/null; touch ${mark}`]);
      expect((await run(machine, ['test', '-e', mark])).exitCode).toBe(1);
      client.kill();
      await expect.poll(async () => (await run(machine, ['test', '-e', mark])).exitCode, poll).toBe(0);
    });

    describe('dials', () => {
      let server: ExecSession;
      beforeAll(async () => {
        server = await machine.exec(context, ['node', '-e', echoServer], { stdin: true });
        const first = await server.stdout[Symbol.asyncIterator]().next();
        expect(Buffer.from(first.value as Uint8Array).toString()).toBe('listening\n');
      });
      afterAll(() => {
        server.stdin?.end();
      });

      test.each(['own address', 'loopback'])('%s, half-closing both ways', async (which) => {
        const ip = which === 'loopback' ? '127.0.0.1' : (machine.address ?? '');
        const stream = await machine.dial(context, { ip, port: 7777 });
        await stream.write(Buffer.from('hello '));
        await stream.write(Buffer.from('there'));
        stream.end();
        expect(await textOf(stream.incoming)).toBe('11 bytes: hello there');
      });

      test.each(['own address', 'loopback'])('%s, refused', async (which) => {
        const ip = which === 'loopback' ? '127.0.0.1' : (machine.address ?? '');
        await expect(machine.dial(context, { ip, port: 7778 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      });
    });

    test('pauses and goes on, or says that it cannot', async () => {
      try {
        await machine.pause(context);
      } catch (error) {
        expect(error).toMatchObject({ code: 'UNSUPPORTED' });
        return;
      }
      expect(machine.state).toBe('paused');
      await machine.unpause(context);
      expect(machine.state).toBe('running');
      expect((await run(machine, ['echo', 'awake'])).stdout).toBe('awake\n');
    });

    test('stops in order and starts with its disk as it was', async () => {
      await run(machine, ['sh', '-c', `echo kept >${machinePaths.agentState}/mark; sync`]);
      await machine.stop(context);
      expect(machine.state).toBe('stopped');
      await machine.stop(context);
      await machine.start(context, subject.files, () => undefined);
      expect(machine.state).toBe('running');
      expect((await run(machine, ['cat', `${machinePaths.agentState}/mark`])).stdout).toBe('kept\n');
    });

    test('takes other files', async () => {
      const extra: MachineFile = { path: '/etc/drydock/extra', content: Buffer.from('more'), mode: 0o644 };
      await machine.start(context, [...subject.files, extra], () => undefined);
      expect((await run(machine, ['cat', '/etc/drydock/extra'])).stdout).toBe('more');
    });

    test('loses power, which is seen at once, and comes back with its disk', async () => {
      const states: string[] = [];
      const listening = machine.onChange(() => states.push(machine.state));
      try {
        await machine.kill(context);
      } catch (error) {
        expect(error).toMatchObject({ code: 'UNSUPPORTED' });
        return;
      } finally {
        listening.dispose();
      }
      expect(machine.state).toBe('killed');
      expect(states).toContain('killed');
      await machine.start(context, subject.files, () => undefined);
      expect((await run(machine, ['cat', `${machinePaths.agentState}/mark`])).stdout).toBe('kept\n');
    });

    test('is seen killed by another hand', async ({ skip }) => {
      if (!subject.killFromOutside) return skip('nobody else can kill this machine');
      const before = machine.sinceMs;
      await subject.killFromOutside();
      await expect.poll(() => machine.state, poll).toMatch(/killed|unreachable/);
      expect(machine.sinceMs).toBeGreaterThan(before);
      await machine.start(context, subject.files, () => undefined);
      expect(machine.state).toBe('running');
    });

    test('leaves nothing behind', async () => {
      await machine.remove(context);
      expect(machine.state).toBe('absent');
      expect(await subject.traces()).toEqual([]);
      await machine.remove(context);
    });
  });
}

/** Answers once the client has half-closed, and ends with its own standard input. */
const echoServer = `
  const server = require('net').createServer({ allowHalfOpen: true }, (socket) => {
    let got = '';
    socket.on('data', (chunk) => { got += chunk; });
    socket.on('end', () => socket.end(got.length + ' bytes: ' + got));
  });
  server.listen(7777, '0.0.0.0', () => console.log('listening'));
  process.stdin.resume();
  process.stdin.on('end', () => process.exit());
`;

/** The oldest process of the agent's supervisor. */
async function supervisorPid(machine: RemoteMachine): Promise<string> {
  return (await run(machine, ['pgrep', '-o', '-f', 'node-agent.cjs supervise$'])).stdout.trim();
}
