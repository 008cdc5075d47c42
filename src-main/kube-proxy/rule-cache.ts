import type { EndpointSlice, Service } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { rulesOfService, type NodeView, type ServiceRule } from './service-rules.ts';

interface Entry {
  readonly service: Service;
  readonly slices: readonly EndpointSlice[];
  readonly rules: readonly ServiceRule[];
}

/**
 * Remembers the rules of each Service, so that one change among thousands costs one computation, and so that a rule that did not
 * change stays the same object. API objects are immutable: the same object means the same rules.
 */
export class RuleCache {
  readonly #view: NodeView;
  #entries = new Map<string, Entry>();

  constructor(view: NodeView) {
    this.#view = view;
  }

  /** Forgets everything: the view answers otherwise now. */
  clear(): void {
    this.#entries.clear();
  }

  rules(
    services: readonly Service[],
    slicesOf: (service: Service) => readonly EndpointSlice[],
  ): readonly ServiceRule[] {
    const entries = new Map<string, Entry>();
    for (const service of services) {
      const key = objectKey(service);
      const slices = slicesOf(service);
      const known = this.#entries.get(key);
      const same = known?.service === service && sameMembers(known.slices, slices);
      entries.set(key, same ? known : { service, slices, rules: rulesOfService(service, slices, this.#view) });
    }
    this.#entries = entries;
    return [...entries.values()].flatMap((entry) => entry.rules);
  }
}

function sameMembers<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}
