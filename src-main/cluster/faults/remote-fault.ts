import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { ExecSession } from '#base/streams';
import { MachineError } from '#machines/errors';
import type { InjectedFault } from '#machines/fault-book';
import type { FaultReport, NodeFault } from '#machines/faults';
import { machinePaths, type RemoteMachine } from '#machines/machine';

/** How long undoing may take on the machine. */
const healTimeoutMs = 20_000;

/**
 * Breaks something inside a real machine: `node-agent fault` runs there for as long as this side holds its standard input
 * open. When this process dies, however, that input ends and the fault heals.
 */
export async function injectIntoMachine(
  context: Context,
  machine: RemoteMachine,
  fault: NodeFault,
): Promise<InjectedFault> {
  const command = ['node', machinePaths.agentBundle, 'fault', JSON.stringify(fault)];
  const session = await machine.exec(Context.background(), command, { stdin: true });
  const giveUp = context.onEnd(() => session.close());
  const reports = readReports(session);
  const first = await reports.next();
  giveUp.dispose();
  context.check();
  if (first.done) throw new MachineError('FAILED', `${machine.name}: the fault ended without a word`);
  if (first.value.state === 'failed') {
    session.close();
    throw new MachineError(first.value.code, `${machine.name}: ${first.value.text}`);
  }
  const ended = waitForEnd(reports, machine.name);
  return {
    text: `${machine.name}: ${first.value.text}`,
    ended,
    heal: async (life) => {
      session.stdin?.end();
      await healedIn(life, machine, ended);
    },
  };
}

/** The stream has ended, so it heals by itself at the latest when the machine goes on. */
async function healedIn(context: Context, machine: RemoteMachine, ended: Promise<string>): Promise<void> {
  const limit = context.withTimeout(new RealClock(), healTimeoutMs);
  try {
    await new Promise<void>((resolve, reject) => {
      limit.context.onEnd(() => {
        const why = machine.state === 'running' ? 'it does not answer' : `it is ${machine.state}`;
        reject(new MachineError('FAILED', `${machine.name} has not healed yet: ${why}`));
      });
      void ended.then(() => resolve());
    });
  } finally {
    limit.cancel();
  }
}

async function waitForEnd(reports: AsyncGenerator<FaultReport>, machine: string): Promise<string> {
  try {
    for await (const report of reports) if (report.state === 'healed') return report.text;
  } catch (error) {
    return `over: ${machine} went away (${messageOf(error)})`;
  }
  return `over: the fault process on ${machine} ended`;
}

async function* readReports(session: ExecSession): AsyncGenerator<FaultReport> {
  let rest = '';
  for await (const chunk of session.stdout) {
    rest += Buffer.from(chunk).toString('utf8');
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      yield JSON.parse(rest.slice(0, end)) as FaultReport;
      rest = rest.slice(end + 1);
    }
  }
}
