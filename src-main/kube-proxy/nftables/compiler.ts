import type { ServiceRule } from '../service-rules.ts';
import { fixedChains } from './base-chains.ts';
import { fragmentOf, type Fragment } from './service-fragment.ts';
import { setNames, type NodeNetwork, type Ruleset, type SetName } from './ruleset.ts';

/**
 * Rules to the text of the table. A rule that was compiled before is not compiled again. Where two Services claim the same
 * address and port the first has it, as a map can have one entry only.
 */
export class RulesetCompiler {
  readonly #network: NodeNetwork;
  #fragments = new WeakMap<ServiceRule, Fragment>();

  constructor(network: NodeNetwork) {
    this.#network = network;
  }

  compile(rules: readonly ServiceRule[]): Ruleset {
    const chains = new Map<string, readonly string[]>(fixedChains(this.#network));
    const affinity = new Map<string, number>();
    const elements = emptyElements();
    for (const rule of rules) {
      const fragment = this.#fragment(rule);
      for (const [name, lines] of fragment.chains) chains.set(name, lines);
      for (const [set, seconds] of fragment.affinity) affinity.set(set, seconds);
      for (const [set, key, value] of fragment.elements) if (!elements[set].has(key)) elements[set].set(key, value);
    }
    return { chains, elements, affinity };
  }

  #fragment(rule: ServiceRule): Fragment {
    const known = this.#fragments.get(rule);
    if (known) return known;
    const made = fragmentOf(rule, this.#network);
    this.#fragments.set(rule, made);
    return made;
  }
}

function emptyElements(): Record<SetName, Map<string, string>> {
  const made: Partial<Record<SetName, Map<string, string>>> = {};
  for (const name of setNames) made[name] = new Map();
  return made as Record<SetName, Map<string, string>>;
}
