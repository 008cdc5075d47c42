import type { Namespace, NetworkPolicy, Pod } from '#api/gen/types';
import type { Context } from '#base/context';
import { jsonEqual } from '#base/freeze';
import type { Informer, InformerFactory } from '#client/client';
import { namespaces, networkPolicies, pods } from '#client/resources';
import { NetworkError } from '../errors.ts';
import type { Kernel } from '../kernel.ts';
import { changeScript, policyTable, wholeScript } from './policy-script.ts';
import { hasOwnAddress, policyState, type PolicyState } from './policy-state.ts';

export interface PolicyEnforcerOptions {
  readonly nodeName: string;
  readonly kernel: Kernel;
  readonly informers: InformerFactory;
  /** Something that policies depend on is another now: `sync` is wanted. */
  readonly onChange: () => void;
}

/** Keeps the node's ruleset what policies, pods and namespaces say. The first `sync` of a life replaces all, later ones what changed. */
export class PolicyEnforcer {
  readonly #options: PolicyEnforcerOptions;
  readonly #policies: Informer<NetworkPolicy>;
  readonly #pods: Informer<Pod>;
  readonly #namespaces: Informer<Namespace>;
  #applied: PolicyState | undefined;

  constructor(options: PolicyEnforcerOptions) {
    this.#options = options;
    const { informers, onChange } = options;
    this.#policies = informers.informer<NetworkPolicy>(networkPolicies);
    this.#pods = informers.informer<Pod>(pods);
    this.#namespaces = informers.informer<Namespace>(namespaces);
    const handler = { onAdd: onChange, onDelete: onChange };
    this.#policies.addHandler({ ...handler, onUpdate: onChange });
    this.#pods.addHandler({
      ...handler,
      onUpdate: (before, after) => void (jsonEqual(podFacts(before), podFacts(after)) || onChange()),
    });
    this.#namespaces.addHandler({
      ...handler,
      onUpdate: ({ metadata: a }, { metadata: b }) => void (jsonEqual(a.labels ?? {}, b.labels ?? {}) || onChange()),
    });
  }

  /** Throws NetworkError when the kernel refuses: then the next call replaces everything. */
  async sync(context: Context): Promise<void> {
    const { kernel, nodeName } = this.#options;
    // Half a picture would let through, or keep out, what the whole one does not.
    await Promise.all([this.#policies, this.#pods, this.#namespaces].map((one) => one.waitForSync(context)));
    const state = policyState({
      nodeName,
      policies: this.#policies.lister.list(),
      pods: this.#pods.lister.list(),
      namespaces: this.#namespaces.lister.list(),
    });
    const script = this.#applied ? changeScript(this.#applied, state) : wholeScript(state);
    if (script === '') return;
    this.#applied = undefined;
    await kernel.run(context, ['nft', '-f', '-'], script);
    this.#applied = state;
  }

  /** Notices that somebody took our table away, and puts it back. */
  async check(context: Context): Promise<void> {
    try {
      await this.#options.kernel.run(context, ['nft', '--terse', 'list', 'table', ...policyTable.split(' ')]);
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      this.#applied = undefined;
    }
    await this.sync(context);
  }
}

function podFacts(pod: Pod): unknown {
  return [hasOwnAddress(pod), pod.status?.podIP ?? '', pod.spec?.nodeName ?? '', pod.metadata.labels ?? {}];
}

export async function removePolicies(kernel: Kernel, context: Context): Promise<void> {
  await kernel.run(context, ['nft', '-f', '-'], `add table ${policyTable}\ndelete table ${policyTable}\n`);
}
