import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { FaultReport, NodeFault } from '#machines/faults';
import { machinePaths } from '#machines/machine';
import { ProgramKernel } from '#network/kernel';
import type { AgentProcess } from '../process.ts';
import { UnsupportedFaultError, type AppliedFault, type FaultTools } from './applied.ts';
import { claimDisk } from './disk-claims.ts';
import { cutLinks, shapeLinks } from './links.ts';
import { pressCpu, pressMemory, pressPids } from './pressure.ts';
import { dropDns, holdDown } from './programs.ts';

/**
 * One fault, as long as it lives: applied when it starts, healed when its standard input ends, which the end of Drydock does,
 * whatever ended it. Its argument is a {@link NodeFault} as JSON; it reports on standard output.
 */
export const runFault: AgentProcess = async (life, { args, clock }) => {
  const fault = JSON.parse(args[0] ?? '{}') as NodeFault;
  const tools: FaultTools = { kernel: new ProgramKernel(), clock, mark: String(process.pid) };
  const ended = inputEnd(life);
  let applied: AppliedFault;
  try {
    applied = await apply(life, tools, fault);
  } catch (error) {
    const code = error instanceof UnsupportedFaultError ? 'UNSUPPORTED' : 'FAILED';
    report({ state: 'failed', code, text: messageOf(error) });
    return;
  }
  report({ state: 'active', text: applied.text });
  await ended;
  await applied.heal(Context.background());
  report({ state: 'healed', text: 'healed' });
};

function apply(context: Context, tools: FaultTools, fault: NodeFault): Promise<AppliedFault> {
  switch (fault.kind) {
    case 'process':
      return holdDown(context, tools, fault);
    case 'cut':
      return cutLinks(context, tools, fault);
    case 'shape':
      return shapeLinks(context, tools, fault);
    case 'dns':
      return dropDns(context, tools);
    case 'disk':
      return claimDisk(fault, { mark: tools.mark, disk: machinePaths.kubeletState });
    case 'memory':
      return pressMemory(context, tools, fault);
    case 'cpu':
      return pressCpu(context, tools, fault);
    case 'pids':
      return pressPids(context, tools, fault);
  }
}

function inputEnd(life: Context): Promise<void> {
  return new Promise((resolve) => {
    life.onEnd(resolve);
    for (const event of ['end', 'close', 'error'] as const) process.stdin.once(event, () => resolve());
    process.stdin.resume();
  });
}

/** Nobody may be there to read any more: then the report is lost, and the fault healed all the same. */
function report(what: FaultReport): void {
  process.stdout.on('error', () => undefined);
  process.stdout.write(`${JSON.stringify(what)}\n`);
}
