import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { MachineError } from '../errors.ts';
import type { RemoteMachineState } from '../machine.ts';
import type { DockerEngine } from './engine.ts';
import { execInContainer } from './exec.ts';

/** The supervisor makes this file when the runtime answers and the agent's programs were started. */
export const supervisorReadyPath = '/run/drydock/ready';

const limitMs = 60_000;

/** Waits inside the container, in one command, which notices the file within 50 ms. */
const waitScript = `until [ -e ${supervisorReadyPath} ]; do sleep 0.05; done`;

/** Resolves when the node's supervisor runs. Throws MachineError FAILED with its last words when it ends instead. */
export async function waitForSupervisor(
  context: Context,
  engine: DockerEngine,
  clock: Clock,
  container: string,
  stateOf: () => RemoteMachineState,
): Promise<void> {
  const limited = context.withTimeout(clock, limitMs);
  try {
    const command = ['busybox', 'sh', '-c', waitScript];
    const session = await execInContainer(limited.context, { engine, clock, container, command, stdin: false });
    const { exitCode } = await session.exit;
    if (exitCode === 0) return;
    throw new MachineError('FAILED', `the node's supervisor ended (${stateOf()})`);
  } catch (error) {
    context.check();
    const words = await lastWords(context, engine, container);
    throw new MachineError('FAILED', `the programs of ${container} did not start: ${words}`, { cause: error });
  } finally {
    limited.cancel();
  }
}

async function lastWords(context: Context, engine: DockerEngine, container: string): Promise<string> {
  const log = await engine.call(context, `read the log of ${container}`, (docker) =>
    docker.getContainer(container).logs({ stdout: true, stderr: true, tail: 3, follow: false }),
  );
  const bytes = Buffer.isBuffer(log) ? log : Buffer.from(String(log));
  const lines: string[] = [];
  for (let offset = 0; offset + 8 <= bytes.length;) {
    const length = bytes.readUInt32BE(offset + 4);
    lines.push(
      bytes
        .subarray(offset + 8, offset + 8 + length)
        .toString('utf8')
        .trim(),
    );
    offset += 8 + length;
  }
  return lines.join(' · ') || 'it said nothing; see "docker logs"';
}
