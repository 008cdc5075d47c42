import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { CancelledError } from '#base/errors';
import { bytesOf, context, textOf, type Bench } from './bench.ts';

const plain = { tty: false, stdin: true, stdout: true, stderr: true };

export function streamTests(bench: Bench): void {
  it('execSync tells exit code and both streams', async () => {
    const id = await bench.start(['sleep', '1000']);
    const command = ['sh', '-c', 'echo o; echo e >&2; exit 4'];
    const result = await bench.patience(bench.runtime.execSync(context, id, command, 0));
    expect([result.exitCode, Buffer.from(result.stdout).toString(), Buffer.from(result.stderr).toString()]).toEqual([
      ...[4, 'o\n', 'e\n'],
    ]);
  });

  it('execSync ends with its timeout, and with its context', async () => {
    const id = await bench.start(['sleep', '1000']);
    await expect(bench.patience(bench.runtime.execSync(context, id, ['sleep', '60'], 1))).rejects.toMatchObject({
      code: 'DeadlineExceeded',
    });
    const { context: given, cancel } = context.withCancel();
    const running = bench.runtime.execSync(given, id, ['sleep', '60'], 0);
    cancel();
    await expect(bench.patience(running)).rejects.toBeInstanceOf(CancelledError);
  });

  it('exec carries input until it is closed, output and the exit code', async () => {
    const id = await bench.start(['sleep', '1000']);
    const command = ['sh', '-c', 'cat; echo done >&2; exit 5'];
    const session = await bench.patience(bench.runtime.exec(context, id, { ...plain, command }));
    const reading = Promise.all([textOf(session.stdout), textOf(session.stderr)]);
    await session.stdin?.write(Buffer.from('through '));
    await session.stdin?.write(Buffer.from('the pipe'));
    session.stdin?.end();
    expect(await bench.patience(session.exit)).toEqual({ exitCode: 5 });
    expect(await bench.patience(reading)).toEqual(['through the pipe', 'done\n']);
  });

  it('exec carries any bytes, and many', async () => {
    const id = await bench.start(['sleep', '1000']);
    const session = await bench.patience(bench.runtime.exec(context, id, { ...plain, command: ['cat'] }));
    const bytes = randomBytes(2 * 1024 * 1024);
    const reading = Promise.all([bytesOf(session.stdout), bytesOf(session.stderr), session.exit]);
    const writing = (async () => {
      for (let at = 0; at < bytes.length; at += 100_000) await session.stdin?.write(bytes.subarray(at, at + 100_000));
      session.stdin?.end();
    })();
    await bench.patience(writing);
    const [stdout, stderr, { exitCode }] = await bench.patience(reading);
    expect([stdout.equals(bytes), stderr.length, exitCode]).toEqual([true, 0, 0]);
  });

  it('exec of what is not there, or in what does not run, is refused', async () => {
    const id = await bench.start(['sleep', '1000']);
    const missing = async (): Promise<void> => {
      const options = { ...plain, stdin: false, command: ['no-such-binary'] };
      const session = await bench.runtime.exec(context, id, options);
      await Promise.all([bytesOf(session.stdout), bytesOf(session.stderr), session.exit]);
    };
    await expect(bench.patience(missing())).rejects.toMatchObject({
      code: 'Unknown',
      message: expect.stringContaining('no-such-binary'),
    });
    await bench.patience(bench.runtime.stopContainer(context, id, 0));
    await expect(bench.runtime.exec(context, id, { ...plain, command: ['true'] })).rejects.toMatchObject({
      name: 'CriError',
    });
    await expect(bench.runtime.exec(context, 'nope', { ...plain, command: ['true'] })).rejects.toMatchObject({
      code: 'NotFound',
    });
  });

  it('exec in a terminal writes everything to one stream, as a terminal does', async () => {
    const id = await bench.start(['sleep', '1000']);
    const command = ['sh', '-c', 'test -t 0 && echo terminal; echo problem >&2'];
    const session = await bench.patience(bench.runtime.exec(context, id, { ...plain, tty: true, command }));
    const reading = Promise.all([textOf(session.stdout), textOf(session.stderr)]);
    expect(await bench.patience(session.exit)).toEqual({ exitCode: 0 });
    expect(await bench.patience(reading)).toEqual(['terminal\r\nproblem\r\n', '']);
  });

  bench.itCan('resize', 'a terminal has the size it was last given', async () => {
    const id = await bench.start(['sleep', '1000']);
    const command = ['sh', '-c', 'read line; stty size'];
    const session = await bench.runtime.exec(context, id, { ...plain, tty: true, command });
    const reading = textOf(session.stdout);
    session.resize(101, 41);
    await bench.under.pass(300);
    await session.stdin?.write(Buffer.from('\n'));
    expect(await session.exit).toEqual({ exitCode: 0 });
    expect(await reading).toContain('41 101');
  });

  it('attach joins the streams of the container’s own process', async () => {
    const script = 'read word; echo got $word; echo also >&2; exit 3';
    const id = await bench.start(['sh', '-c', script], { stdin: true, stdinOnce: true });
    const session = await bench.patience(bench.runtime.attach(context, id, plain));
    const reading = Promise.all([textOf(session.stdout), textOf(session.stderr), session.exit]);
    await session.stdin?.write(Buffer.from('this\n'));
    const [stdout, stderr] = await bench.patience(reading);
    expect([stdout, stderr]).toEqual(['got this\n', 'also\n']);
    expect(await bench.untilExited(id)).toMatchObject({ exitCode: 3 });
    expect([...(await bench.log(id))].sort()).toEqual(['stderr also', 'stdout got this']);
  });

  it('port-forward carries a connection to a port of the sandbox', async () => {
    const { image, command } = bench.target.webServer;
    await bench.under.provide(image);
    await bench.start(command, { image });
    await bench.under.pass(500);
    const get = async (): Promise<string> => {
      const stream = await bench.patience(bench.runtime.portForward(context, bench.sandbox, 80));
      await stream.write(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
      const text = await bench.patience(textOf(stream.incoming));
      stream.destroy();
      return text;
    };
    expect(await Promise.all([get(), get()])).toEqual([
      expect.stringContaining('Welcome'),
      expect.stringContaining('Welcome'),
    ]);
  });

  it('port-forward says that nobody listens', async () => {
    const connect = async (): Promise<void> => {
      const stream = await bench.runtime.portForward(context, bench.sandbox, 81);
      await bytesOf(stream.incoming);
    };
    await expect(bench.patience(connect())).rejects.toMatchObject({
      code: 'Unavailable',
      message: expect.stringContaining('81'),
    });
  });

  bench.itCan('half-closed port-forward', 'port-forward can be read after it was closed for writing', async () => {
    await bench.start(['nc', '-l', '-p', '7', '-e', 'sh', '-c', 'x=$(cat | wc -c); echo heard $x']);
    await bench.under.pass(300);
    const stream = await bench.runtime.portForward(context, bench.sandbox, 7);
    const bytes = randomBytes(300_000);
    const reading = textOf(stream.incoming);
    await stream.write(bytes);
    stream.end();
    expect(await reading).toBe('heard 300000\n');
    stream.destroy();
  });
}
