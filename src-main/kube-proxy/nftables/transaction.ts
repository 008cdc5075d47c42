import { baseChains } from './base-chains.ts';
import { isAffinitySet, isServiceChain, table } from './names.ts';
import { setNames, sets, type Ruleset } from './ruleset.ts';

/** What the kernel has of the table, by name. */
export interface KernelTable {
  readonly chains: ReadonlySet<string>;
  /** Sets and maps. */
  readonly sets: ReadonlySet<string>;
}

export interface Transaction {
  /** Input for `nft -f`, applied wholly or not at all; '' when there is nothing to do. */
  readonly text: string;
  /** Chains that nothing leads to any more and that were emptied. To be deleted later: see {@link staleChainDelayMs}. */
  readonly stale: readonly string[];
}

/**
 * Kernels before 6.2 notice only some moments after a map's element went that its chain is free; deleting the chain in the same
 * transaction fails (pkg/proxy/nftables, release 1.36, waits as well).
 */
export const staleChainDelayMs = 1_000;

/**
 * Everything, whatever is there: declares what is missing, empties what exists, and fills it again. One transaction, so that no
 * packet meets a half-filled table; clients' affinity and translated connections stay.
 */
export function fullSync(ruleset: Ruleset, kernel: KernelTable): Transaction {
  const lines = [`add table ip ${table} { comment "rules for kube-proxy"; }`];
  for (const [chain, hook] of baseChains) lines.push(`add chain ip ${table} ${chain} { ${hook}; }`);
  for (const name of setNames) {
    const { kind, type, comment } = sets[name];
    lines.push(`add ${kind} ip ${table} ${name} { type ${type}; comment "${comment}"; }`);
  }
  for (const [set, seconds] of ruleset.affinity) lines.push(addAffinity(set, seconds));
  for (const chain of ruleset.chains.keys()) if (!baseChains.has(chain)) lines.push(`add chain ip ${table} ${chain}`);
  const stale = [...kernel.chains].filter((chain) => isServiceChain(chain) && !ruleset.chains.has(chain));
  for (const chain of kernel.chains)
    if (ruleset.chains.has(chain) || isServiceChain(chain)) lines.push(`flush chain ip ${table} ${chain}`);
  for (const name of setNames) if (kernel.sets.has(name)) lines.push(`flush ${sets[name].kind} ip ${table} ${name}`);
  for (const [chain, rules] of ruleset.chains) lines.push(...addRules(chain, rules));
  for (const name of setNames) lines.push(...changeElements('add', name, [...ruleset.elements[name]]));
  for (const set of kernel.sets)
    if (isAffinitySet(set) && !ruleset.affinity.has(set)) lines.push(`delete set ip ${table} ${set}`);
  return { text: asText(lines), stale };
}

/** From what was written before to what is wanted now: nothing else is touched. */
export function difference(before: Ruleset, after: Ruleset): Transaction {
  const lines: string[] = [];
  for (const [set, seconds] of after.affinity) if (!before.affinity.has(set)) lines.push(addAffinity(set, seconds));
  const changed = [...after.chains].filter(([chain, rules]) => !sameRules(before.chains.get(chain), rules));
  const stale = [...before.chains.keys()].filter((chain) => !after.chains.has(chain));
  // An emptied chain of the same name may still wait to be deleted: adding it again is no error.
  for (const [chain] of changed) if (!before.chains.has(chain)) lines.push(`add chain ip ${table} ${chain}`);
  for (const chain of [...changed.map(([name]) => name), ...stale]) lines.push(`flush chain ip ${table} ${chain}`);
  for (const name of setNames) {
    const [was, is] = [before.elements[name], after.elements[name]];
    lines.push(...changeElements('delete', name, missingFrom(was, is)));
  }
  for (const [chain, rules] of changed) lines.push(...addRules(chain, rules));
  for (const name of setNames) {
    const [was, is] = [before.elements[name], after.elements[name]];
    lines.push(...changeElements('add', name, missingFrom(is, was)));
  }
  for (const set of before.affinity.keys()) if (!after.affinity.has(set)) lines.push(`delete set ip ${table} ${set}`);
  return { text: asText(lines), stale };
}

/** The clean way out of a table that cannot be changed into ours, such as one of another release. */
export function replaceTable(ruleset: Ruleset): Transaction {
  const remove = `add table ip ${table}\ndelete table ip ${table}\n`;
  return { text: remove + fullSync(ruleset, { chains: new Set(), sets: new Set() }).text, stale: [] };
}

export function deleteChains(chains: readonly string[]): string {
  return asText(chains.map((chain) => `delete chain ip ${table} ${chain}`));
}

function addAffinity(set: string, seconds: number): string {
  return `add set ip ${table} ${set} { type ipv4_addr; flags dynamic,timeout; timeout ${seconds}s; }`;
}

function addRules(chain: string, rules: readonly string[]): string[] {
  return rules.map((rule) => `add rule ip ${table} ${chain} ${rule}`);
}

/** Entries of `a` that `b` has not, or has otherwise: an element cannot be changed, only deleted and added. */
function missingFrom(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): [string, string][] {
  return [...a].filter(([key, value]) => b.get(key) !== value);
}

function changeElements(
  verb: 'add' | 'delete',
  set: string,
  elements: readonly (readonly [string, string])[],
): string[] {
  if (elements.length === 0) return [];
  const spelled = elements.map(([key, value]) => (value ? `${key} : ${value}` : key));
  return [`${verb} element ip ${table} ${set} { ${spelled.join(', ')} }`];
}

function sameRules(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a === b || (a?.length === b.length && a.every((rule, i) => rule === b[i]));
}

function asText(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
