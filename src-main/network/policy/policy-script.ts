import type { Direction, PolicyRule, PolicyState } from './policy-state.ts';

/** Family and name of the table that is ours alone. */
export const policyTable = 'inet drydock-policy';

const directions = ['egress', 'ingress'] as const;
const none: PolicyState = {
  addressSets: new Map(),
  portSets: new Map(),
  chains: new Map(),
  isolated: { ingress: new Map(), egress: new Map() },
};

/**
 * The whole ruleset for `nft -f`: what was there before is replaced in one transaction, so no packet passes in between.
 *
 * Rules stand behind the forward hook, where addresses are the pods' own (Services are resolved before) and which packets
 * between node and its own pods do not cross: probes always arrive. Established connections go on.
 */
export function wholeScript(state: PolicyState): string {
  const maps = directions.map((one) => `  map ${one} { type ipv4_addr : verdict; }`).join('\n');
  return `add table ${policyTable}
delete table ${policyTable}
table ${policyTable} {
${maps}
  set self { type ipv4_addr . ipv4_addr; }
  chain forward {
    type filter hook forward priority filter; policy accept;
    meta nfproto ipv6 iifname "cni0" oifname "cni0" drop
    ct state established,related accept
    ip saddr . ip daddr @self accept
    ip saddr vmap @egress
    ip daddr vmap @ingress
  }
}
${changeScript(none, state)}`;
}

/** What leads from `before` to `after`; empty when nothing does. One transaction. */
export function changeScript(before: PolicyState, after: PolicyState): string {
  const lines: string[] = [];
  for (const [name, elements] of after.addressSets)
    addSet(lines, name, 'ipv4_addr', elements, before.addressSets.get(name));
  for (const [name, elements] of after.portSets)
    addSet(lines, name, 'ipv4_addr . inet_proto . inet_service', elements, before.portSets.get(name));
  for (const [name, rules] of after.chains) if (!before.chains.has(name)) addChain(lines, name, rules);
  for (const direction of directions) changeMap(lines, direction, before, after);
  changeElements(lines, 'self', selfElements(before), selfElements(after));
  const chains = [...before.chains.keys()].filter((name) => !after.chains.has(name));
  for (const name of chains) lines.push(`flush chain ${policyTable} ${name}`);
  for (const name of chains) lines.push(`delete chain ${policyTable} ${name}`);
  for (const sets of ['addressSets', 'portSets'] as const)
    for (const name of before[sets].keys()) if (!after[sets].has(name)) lines.push(`delete set ${policyTable} ${name}`);
  return lines.map((line) => `${line}\n`).join('');
}

function addSet(
  lines: string[],
  name: string,
  type: string,
  after: ReadonlySet<string>,
  before: ReadonlySet<string> | undefined,
): void {
  if (!before) lines.push(`add set ${policyTable} ${name} { type ${type}; }`);
  changeElements(lines, name, before ?? new Set(), after);
}

function changeElements(lines: string[], set: string, before: ReadonlySet<string>, after: ReadonlySet<string>): void {
  const gone = [...before].filter((one) => !after.has(one));
  const fresh = [...after].filter((one) => !before.has(one));
  if (gone.length > 0) lines.push(`delete element ${policyTable} ${set} { ${gone.join(', ')} }`);
  if (fresh.length > 0) lines.push(`add element ${policyTable} ${set} { ${fresh.join(', ')} }`);
}

function addChain(lines: string[], name: string, rules: readonly PolicyRule[]): void {
  lines.push(`add chain ${policyTable} ${name}`);
  const direction = name.startsWith('i-') ? 'ingress' : 'egress';
  const texts = new Set(rules.map((rule) => ruleText(rule, direction)));
  for (const text of texts) lines.push(`add rule ${policyTable} ${name} ${text}`);
  lines.push(`add rule ${policyTable} ${name} drop`);
}

/** `return`: this direction is content, the other one still has its say. */
function ruleText({ peer, port }: PolicyRule, direction: Direction): string {
  const other = direction === 'ingress' ? 'ip saddr' : 'ip daddr';
  const words: string[] = [];
  if (peer.kind === 'set') words.push(`${other} @${peer.set}`);
  if (peer.kind === 'block') {
    words.push(`${other} ${peer.cidr}`);
    for (const cidr of peer.except) words.push(`${other} != ${cidr}`);
  }
  switch (port.kind) {
    case 'any':
      break;
    case 'protocol':
      words.push(`meta l4proto ${port.protocol}`);
      break;
    case 'ranges': {
      const ranges = port.ranges.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`));
      words.push(`${port.protocol} dport { ${ranges.join(', ')} }`);
      break;
    }
    case 'named':
      words.push(`ip daddr . meta l4proto . th dport @${port.set}`);
      break;
  }
  return [...words, 'return'].join(' ');
}

function changeMap(lines: string[], direction: Direction, before: PolicyState, after: PolicyState): void {
  const was = before.isolated[direction];
  const is = after.isolated[direction];
  const gone = [...was].filter(([ip, chain]) => is.get(ip) !== chain).map(([ip]) => ip);
  const fresh = [...is].filter(([ip, chain]) => was.get(ip) !== chain).map(([ip, chain]) => `${ip} : jump ${chain}`);
  if (gone.length > 0) lines.push(`delete element ${policyTable} ${direction} { ${gone.join(', ')} }`);
  if (fresh.length > 0) lines.push(`add element ${policyTable} ${direction} { ${fresh.join(', ')} }`);
}

/** A pod always reaches itself, also through a Service. */
function selfElements({ isolated }: PolicyState): ReadonlySet<string> {
  const pods = new Set([...isolated.ingress.keys(), ...isolated.egress.keys()]);
  return new Set([...pods].map((ip) => `${ip} . ${ip}`));
}
