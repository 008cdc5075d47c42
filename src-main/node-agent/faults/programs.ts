import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '#base/context';
import type { NodeFault } from '#machines/faults';
import { holdFolder } from '../supervisor-holds.ts';
import { tablePrefix, type AppliedFault, type FaultTools } from './applied.ts';

/** Kills one program of the node and keeps its supervisor from starting it again. */
export async function holdDown(
  _context: Context,
  _tools: FaultTools,
  fault: Extract<NodeFault, { kind: 'process' }>,
): Promise<AppliedFault> {
  const path = join(holdFolder, fault.process);
  mkdirSync(holdFolder, { recursive: true });
  writeFileSync(path, '');
  return { text: `${fault.process} is held down`, heal: async () => rmSync(path, { force: true }) };
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
