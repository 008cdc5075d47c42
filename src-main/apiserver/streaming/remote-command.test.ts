import { expect, test } from 'vitest';
import { AsyncQueue } from '#base/async-queue';
import type { ExecSession } from '#base/streams';
import { StatusError } from '#api/machinery/status';
import { serveRemoteCommand } from '#streaming/remote-command';
import { execOptionsOf, streamStatusOf } from './remote-command.ts';

class FakeSocket {
  readonly protocol = 'v5.channel.k8s.io';
  readonly messages = new AsyncQueue<Uint8Array>();
  readonly sent: string[] = [];

  async send(message: Uint8Array): Promise<void> {
    this.sent.push(`${message[0]}:${Buffer.from(message.subarray(1)).toString()}`);
  }
  close(): void {
    this.messages.end();
  }
}

interface FakeSession extends ExecSession {
  readonly stdout: AsyncQueue<Uint8Array>;
  readonly heard: string[];
  finish(exitCode: number): void;
}

function fakeSession(): FakeSession {
  const [stdout, stderr] = [new AsyncQueue<Uint8Array>(), new AsyncQueue<Uint8Array>()];
  const heard: string[] = [];
  let finish: (exitCode: number) => void = () => {};
  const exit = new Promise<{ exitCode: number }>((resolve) => {
    finish = (exitCode) => {
      stdout.end();
      stderr.end();
      resolve({ exitCode });
    };
  });
  return {
    stdin: {
      write: async (chunk) => void heard.push(`in ${Buffer.from(chunk).toString()}`),
      end: () => heard.push('end'),
    },
    ...{ stdout, stderr, exit, heard, finish: (code: number) => finish(code) },
    resize: (columns, rows) => heard.push(`${columns}x${rows}`),
    close: () => finish(137),
  };
}

const options = execOptionsOf(new URLSearchParams('command=sh&stdin=true&stdout=true&stderr=true'), 'exec');
const message = (channel: number, text: string | Buffer): Buffer =>
  Buffer.concat([Buffer.from([channel]), Buffer.from(text)]);

test('carries input, size, the end of input, output and the exit code', async () => {
  const [socket, session] = [new FakeSocket(), fakeSession()];
  const served = serveRemoteCommand(socket, options, async () => session, streamStatusOf);
  socket.messages.push(message(4, '{"Width":80,"Height":24}'));
  socket.messages.push(message(0, 'ls\n'));
  socket.messages.push(message(255, Buffer.from([0])));
  session.stdout.push(Buffer.from('file\n'));
  await expect.poll(() => session.heard).toEqual(['80x24', 'in ls\n', 'end']);
  session.finish(2);
  await served;
  expect(socket.sent.slice(0, 2)).toEqual(['1:', '1:file\n']);
  expect(JSON.parse(socket.sent[2]?.slice(2) ?? '')).toEqual({
    ...{ metadata: {}, status: 'Failure', reason: 'NonZeroExitCode' },
    message: 'command terminated with non-zero exit code: command terminated with exit code 2',
    details: { causes: [{ reason: 'ExitCode', message: '2' }] },
  });
});

test('success is a Status too', async () => {
  const [socket, session] = [new FakeSocket(), fakeSession()];
  session.finish(0);
  await serveRemoteCommand(socket, options, async () => session, streamStatusOf);
  expect(socket.sent.at(-1)).toBe('3:{"metadata":{},"status":"Success"}');
});

test('what cannot start is told on the error channel', async () => {
  const socket = new FakeSocket();
  await serveRemoteCommand(
    socket,
    options,
    () => Promise.reject(new StatusError('BadRequest', 'container not running')),
    streamStatusOf,
  );
  expect(JSON.parse(socket.sent.at(-1)?.slice(2) ?? '')).toMatchObject({ code: 400, message: 'container not running' });
});

test('a client that goes away ends the command', async () => {
  const [socket, session] = [new FakeSocket(), fakeSession()];
  const served = serveRemoteCommand(socket, options, async () => session, streamStatusOf);
  socket.messages.end();
  await served;
  expect(await session.exit).toEqual({ exitCode: 137 });
});

test('what makes no sense is refused before anything starts', () => {
  expect(() => execOptionsOf(new URLSearchParams('command=sh'), 'exec')).toThrow(
    'you must specify at least 1 of stdin, stdout, stderr',
  );
  expect(() => execOptionsOf(new URLSearchParams('stdout=1'), 'exec')).toThrow(
    'you must specify at least one command for the exec',
  );
  const terminal = execOptionsOf(new URLSearchParams('command=a&command=b&stdout=true&stderr=true&tty=true'), 'exec');
  expect(terminal).toEqual({ command: ['a', 'b'], tty: true, stdin: false, stdout: true, stderr: false });
});
