import type { Context } from '#base/context';
import { devicesTo } from './devices.ts';
import { queue } from './queues.ts';
import type { FaultPeer, NodeFault } from '#machines/faults';
import { tablePrefix, type AppliedFault, type FaultTools } from './applied.ts';

type Cut = Extract<NodeFault, { kind: 'cut' }>;
type Shape = Extract<NodeFault, { kind: 'shape' }>;

/**
 * Drops packets at the network devices themselves (nftables, family netdev), not in the hooks of local programs: a program that
 * sends sees silence, as behind a cut cable, and not an error of its own kernel.
 */
export async function cutLinks(context: Context, tools: FaultTools, fault: Cut): Promise<AppliedFault> {
  const rules: RuleSet = { out: [], in: [] };
  for (const peer of fault.peers) {
    if (fault.direction !== 'in') rules.out.push(`${matchOf(peer, 'out')} drop`);
    if (fault.direction !== 'out') rules.in.push(`${matchOf(peer, 'in')} drop`);
  }
  const heal = await writeRules(context, tools, fault.peers, rules);
  const what = fault.peers.map(nameOf).join(', ');
  const way = { both: 'to and from', out: 'to', in: 'from' }[fault.direction];
  return { text: `packets ${way} ${what} are dropped`, heal };
}

/** Loss is a matter of chance a packet; a rate is a queue of the kernel's; latency needs a queue most kernels have. */
export async function shapeLinks(context: Context, tools: FaultTools, fault: Shape): Promise<AppliedFault> {
  const heals: ((context: Context) => Promise<void>)[] = [];
  const said: string[] = [];
  try {
    if (fault.latencyMs !== undefined || fault.rateKbit !== undefined) {
      heals.push(await queue(context, tools, fault));
      if (fault.latencyMs !== undefined) said.push(`${fault.latencyMs} ms later`);
      if (fault.rateKbit !== undefined) said.push(`at most ${fault.rateKbit} kbit/s`);
    }
    if (fault.lossPercent !== undefined) {
      const outOf10000 = Math.round(fault.lossPercent * 100);
      const chance = outOf10000 >= 10_000 ? 'drop' : `numgen random mod 10000 < ${outOf10000} drop`;
      const matches = fault.peers.length === 0 ? [''] : fault.peers.map((peer) => `${matchOf(peer, 'out')} `);
      const rules = { out: matches.map((match) => `${match}${chance}`), in: [] };
      heals.push(await writeRules(context, tools, fault.peers, rules));
      said.push(`${fault.lossPercent} % lost`);
    }
  } catch (error) {
    for (const heal of heals) await heal(context);
    throw error;
  }
  const where = fault.peers.length === 0 ? 'all other machines' : fault.peers.map(nameOf).join(', ');
  return {
    text: `packets to ${where}: ${said.join(', ')}`,
    heal: async (life) => {
      for (const heal of heals) await heal(life);
    },
  };
}

interface RuleSet {
  readonly out: string[];
  readonly in: string[];
}

/** One table a fault, on every device a packet to the peers may take. */
async function writeRules(
  context: Context,
  tools: FaultTools,
  peers: readonly FaultPeer[],
  rules: RuleSet,
): Promise<(context: Context) => Promise<void>> {
  const table = `${tablePrefix}${tools.mark}`;
  const lines = [`table netdev ${table} {`];
  for (const [index, device] of (await devicesTo(context, tools, peers)).entries()) {
    const chain = (hook: 'egress' | 'ingress', body: readonly string[]): string[] =>
      body.length === 0
        ? []
        : [
            `chain ${hook}${index} {`,
            `type filter hook ${hook} device "${device}" priority -500;`,
            ...body.map((rule) => `${rule};`),
            '}',
          ];
    lines.push(...chain('egress', rules.out), ...chain('ingress', rules.in));
  }
  lines.push('}');
  await tools.kernel.run(context, ['nft', '-f', '-'], `${lines.join('\n')}\n`);
  return async (life) => {
    await tools.kernel.run(life, ['nft', 'delete', 'table', 'netdev', table]);
  };
}

function matchOf(peer: FaultPeer, direction: 'out' | 'in'): string {
  const side = direction === 'out' ? 'daddr' : 'saddr';
  if (peer.port === undefined) return `ip ${side} ${peer.address}`;
  // A port of this machine's is where packets come to and answers leave from; a peer's is the other way round.
  const toPort = (direction === 'out') !== (peer.local ?? false);
  return `ip ${side} ${peer.address} tcp ${toPort ? 'dport' : 'sport'} ${peer.port}`;
}

function nameOf({ address, port, local }: FaultPeer): string {
  if (port === undefined) return address;
  return local ? `${address} (port ${port} here)` : `${address}:${port}`;
}
