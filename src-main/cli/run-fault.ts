import type { Home } from '#cluster/home';
import type { ControlClient } from '#host/control-client';
import { decodeFault, listFaults, readSeconds, renderFaults } from './faults.ts';
import { withRunningHost } from './host-access.ts';
import { UsageError, type Arguments } from './options.ts';
import type { Terminal } from './output.ts';

const defaultFor = '5m';

/** `drydock fault add|list|heal`. Throws UsageError, ClusterError, StatusError. */
export async function runFault(
  verb: string,
  home: Home,
  lab: string,
  args: Arguments,
  terminal: Terminal,
): Promise<number> {
  if (verb === 'add') {
    const spec = decodeFault(args.positionals, args.flag('one-way'));
    const forSeconds = readSeconds(args.text('for') ?? defaultFor);
    const fault = await withRunningHost(home, lab, (host) => host.call('fault.add', { lab, spec, forSeconds }));
    terminal.out(args.flag('json') ? JSON.stringify(fault) : fault.id);
    terminal.error(`${fault.text}; heals in ${forSeconds} s, or with 'drydock fault heal ${fault.id}'`);
    return 0;
  }
  if (verb === 'heal') return heal(home, lab, args, terminal);
  const [faults, { nowMs }] = await withRunningHost(home, lab, (host) =>
    Promise.all([listFaults(host, lab), host.call('host.info', {})]),
  );
  terminal.out(args.flag('json') ? JSON.stringify(faults, null, 2) : renderFaults(faults, nowMs));
  return 0;
}

async function heal(home: Home, lab: string, args: Arguments, terminal: Terminal): Promise<number> {
  const named = args.positionals[0];
  if (args.flag('all') === (named !== undefined)) throw new UsageError('fault heal needs one ID, or --all');
  const healed = await withRunningHost(home, lab, async (host) => {
    const ids = named === undefined ? await activeFaults(host, lab) : [named];
    for (const id of ids) await host.call('fault.heal', { lab, id });
    return ids;
  });
  terminal.error(healed.length === 0 ? 'nothing was broken' : `healed ${healed.join(', ')}`);
  return 0;
}

/** Whole nodes first: a frozen one heals nothing that lies inside it. */
async function activeFaults(host: ControlClient, lab: string): Promise<readonly string[]> {
  const active = (await listFaults(host, lab)).filter(({ state }) => state === 'active' || state === 'healing');
  const first = active.filter(({ spec }) => spec.kind === 'node');
  return [...first, ...active.filter((fault) => !first.includes(fault))].map(({ id }) => id);
}
