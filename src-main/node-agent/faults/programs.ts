import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '#base/context';
import type { NodeFault } from '#machines/faults';
import { holdFolder } from '../supervisor-holds.ts';
import { statusPath, type ProcessReport } from '../supervisor-process.ts';
import { tablePrefix, UnsupportedFaultError, type AppliedFault, type FaultTools } from './applied.ts';

/** How long the supervisor may take to notice, and how often that is looked at. */
const holdTimeoutMs = 10_000;
const lookEveryMs = 20;

/** Kills one program of the node and keeps its supervisor from starting it again. */
export async function holdDown(
  context: Context,
  { clock, mark }: FaultTools,
  fault: Extract<NodeFault, { kind: 'process' }>,
): Promise<AppliedFault> {
  const name = fault.process;
  const path = join(holdFolder, name);
  if (stateOf(name) === undefined)
    throw new UnsupportedFaultError(`${name} is not started by Drydock on this machine: it cannot be held down`);
  if (existsSync(path)) throw new Error(`${name} is held down already: heal that fault first`);
  mkdirSync(holdFolder, { recursive: true });
  writeFileSync(path, mark);
  const heal = async (): Promise<void> => rmSync(path, { force: true });
  const limit = context.withTimeout(clock, holdTimeoutMs);
  try {
    while (stateOf(name) !== 'held') await clock.sleep(limit.context, lookEveryMs);
  } catch (error) {
    await heal();
    throw new Error(`the supervisor did not take ${name} down`, { cause: error });
  } finally {
    limit.cancel();
  }
  return { text: `${name} is held down`, heal };
}

function stateOf(name: string): ProcessReport['state'] | undefined {
  const reports = JSON.parse(readFileSync(statusPath, 'utf8')) as readonly ProcessReport[];
  return reports.find((report) => report.name === name)?.state;
}

/** Queries of pods are dropped before Services are looked up, whichever DNS server they are for. */
export async function dropDns(context: Context, tools: FaultTools): Promise<AppliedFault> {
  const table = `${tablePrefix}${tools.mark}`;
  const rules = [
    `table ip ${table} {`,
    'chain dns {',
    'type filter hook prerouting priority -350;',
    'meta l4proto { tcp, udp } th dport 53 drop;',
    '}',
    '}',
  ];
  await tools.kernel.run(context, ['nft', '-f', '-'], `${rules.join('\n')}\n`);
  return {
    text: 'DNS queries of pods are dropped',
    heal: async (life) => {
      await tools.kernel.run(life, ['nft', 'delete', 'table', 'ip', table]);
    },
  };
}
