import { Context } from '#base/context';
import type { RemoteMachine } from '#machines/machine';

export async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString('utf8');
}

/** A command with nothing on its standard input, to its end. */
export async function run(
  machine: RemoteMachine,
  command: readonly string[],
): Promise<{ readonly stdout: string; readonly stderr: string; readonly exitCode: number }> {
  const session = await machine.exec(Context.background(), command, { stdin: false });
  const [stdout, stderr, { exitCode }] = await Promise.all([
    textOf(session.stdout),
    textOf(session.stderr),
    session.exit,
  ]);
  return { stdout, stderr, exitCode };
}
