import { expect, test } from 'vitest';
import { AsyncQueue } from '#base/async-queue';
import { yieldToEventLoop } from '#base/clock';
import type { ExecSession } from '#base/streams';
import { watchThrough } from './watch.ts';

/** The far end of `agent.sh guard`, played by the test. */
function guardSession() {
  const stdout = new AsyncQueue<Uint8Array>();
  const heard: string[] = [];
  let end = (): void => undefined;
  let lose = (): void => undefined;
  const exit = new Promise<{ readonly exitCode: number }>((resolve, reject) => {
    end = () => resolve({ exitCode: 0 });
    lose = () => reject(new Error('the connection was lost'));
  });
  const session: ExecSession = {
    stdin: {
      write: async (chunk) => void heard.push(Buffer.from(chunk).toString()),
      end: () => heard.push('end'),
    },
    ...{ stdout, stderr: new AsyncQueue<Uint8Array>(), exit },
    resize: () => undefined,
    close: () => undefined,
  };
  return { session, stdout, heard, end, lose };
}

test('nothing is broken before the guard listens, or without it', async () => {
  const { session, stdout } = guardSession();
  stdout.end();
  await expect(watchThrough(session, 'metal', async () => undefined)).rejects.toThrow(/metal cannot watch over itself/);
});

test('a guard that is dropped ends without undoing, once', async () => {
  const { session, stdout, heard, end } = guardSession();
  stdout.push(Buffer.from('on\n'));
  const watch = await watchThrough(session, 'metal', async () => undefined);
  let over = false;
  void watch.ended.then(() => (over = true));
  let dropped = false;
  const both = Promise.all([watch.drop(), watch.drop()]).then(() => (dropped = true));
  await yieldToEventLoop();
  expect([heard, dropped]).toEqual([['drop\n', 'end'], false]);
  end();
  await both;
  await yieldToEventLoop();
  expect(over).toBe(false);
});

test('a connection that is lost is an end, told when the machine is reached again', async () => {
  const { session, stdout, lose } = guardSession();
  stdout.push(Buffer.from('on\n'));
  let reach = (): void => undefined;
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const watch = await watchThrough(session, 'metal', () => reached);
  let over = false;
  void watch.ended.then(() => (over = true));
  lose();
  await yieldToEventLoop();
  expect(over).toBe(false);
  reach();
  await watch.ended;
  // There is nobody to be told any more.
  await watch.drop();
});
