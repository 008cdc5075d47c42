import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import type { Logger } from '#base/logger';

/** The command behind which the guard of faults runs: `drydock fault-guard`. Not for people. */
export const guardCommand = 'fault-guard';

/** Is the guard until its standard input ends and everything is undone. */
export async function runFaultGuard(logger: Logger): Promise<void> {
  const { serveGuard } = await import('#machines/guard/serve-guard');
  // Who reads the log may be gone: the work goes on all the same.
  process.stderr.on('error', () => undefined);
  await serveGuard(Context.background(), { input: process.stdin, clock: new RealClock(), logger });
}
