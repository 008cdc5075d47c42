import type { Node } from '#api/gen/types';
import type { Context } from '#base/context';
import type { KubeClient } from '#client/client';
import { nodes } from '#client/resources';
import { MachineError } from '#machines/errors';
import type { InjectedFault } from '#machines/fault-book';
import { apiEnd, type FaultPeer, type FaultSpec, type NodeFault } from '#machines/faults';
import type { EmbeddedWorker } from '../workers/embedded-worker.ts';
import { RemoteWorker } from '../workers/remote-worker.ts';
import type { Worker } from '../workers/worker.ts';
import { injectIntoMachine } from './remote-fault.ts';
import { faultNodePower } from './node-power.ts';

export interface LabFaultsOptions {
  /** Throws ClusterError NODE_MISSING. */
  readonly worker: (name: string) => Worker;
  readonly admin: KubeClient;
  /** Breaks something of a simulated worker. */
  readonly embedded: (
    context: Context,
    spec: FaultSpec,
    worker: EmbeddedWorker,
    peer: string | undefined,
  ) => Promise<InjectedFault>;
  /** Where the API server's packets to and from a real worker go. */
  readonly apiPeers: (worker: RemoteWorker) => readonly FaultPeer[];
  /** Notes a frozen or dead machine that cannot heal itself, for the guard that outlives this process. */
  readonly guard: (worker: RemoteWorker, id: string) => { dispose(): void };
}

/** Turns what a person wants broken into what one machine does: names become addresses, the driver's way is found. */
export class LabFaults {
  readonly #options: LabFaultsOptions;

  constructor(options: LabFaultsOptions) {
    this.#options = options;
  }

  readonly inject = async (context: Context, spec: FaultSpec, id: string): Promise<InjectedFault> => {
    const [name, peer] = endsOf(spec);
    const worker = this.#options.worker(name);
    if (peer !== undefined && peer !== apiEnd) this.#options.worker(peer);
    if (peer === name) throw new MachineError('INVALID', `a link needs two ends: ${name} is both`);
    if (spec.kind === 'node') return faultNodePower(context, worker, spec.action, () => this.#guard(worker, id));
    if (worker.state !== 'running')
      throw new MachineError('INVALID', `${name} is ${worker.state}: start it first, then break something in it`);
    if (!(worker instanceof RemoteWorker)) {
      return this.#options.embedded(context, spec, worker as EmbeddedWorker, peer);
    }
    return injectIntoMachine(context, worker.machine, await this.#nodeFault(context, spec, worker));
  };

  #guard(worker: Worker, id: string): { dispose(): void } {
    return worker instanceof RemoteWorker ? this.#options.guard(worker, id) : { dispose: () => undefined };
  }

  async #nodeFault(
    context: Context,
    spec: Exclude<FaultSpec, { kind: 'node' }>,
    worker: RemoteWorker,
  ): Promise<NodeFault> {
    switch (spec.kind) {
      case 'cut': {
        const [, peer = apiEnd] = endsOf(spec);
        // `from` may be the API server: then packets to this machine are what is cut one-way.
        const direction = spec.oneWay ? (spec.from === apiEnd ? 'in' : 'out') : 'both';
        return { kind: 'cut', peers: await this.#peersOf(context, peer, worker), direction };
      }
      case 'shape': {
        const { latencyMs, lossPercent, rateKbit } = spec;
        return {
          kind: 'shape',
          peers: spec.to === undefined ? [] : await this.#peersOf(context, spec.to, worker),
          ...(latencyMs === undefined ? {} : { latencyMs }),
          ...(lossPercent === undefined ? {} : { lossPercent }),
          ...(rateKbit === undefined ? {} : { rateKbit }),
        };
      }
      case 'process':
        return { kind: 'process', process: spec.process };
      case 'dns':
        return { kind: 'dns' };
      case 'disk':
        return { kind: 'disk', freePercent: spec.freePercent };
      case 'memory':
        return { kind: 'memory', bytes: spec.bytes };
      case 'cpu':
        return { kind: 'cpu', cores: spec.cores };
      case 'pids':
        return { kind: 'pids', count: spec.count };
    }
  }

  /** Every address packets for the other end carry: the node's own and its pods'. */
  async #peersOf(context: Context, peer: string, worker: RemoteWorker): Promise<readonly FaultPeer[]> {
    if (peer === apiEnd) return this.#options.apiPeers(worker);
    const node = await this.#options.admin.resource<Node>(nodes).get(context, '', peer);
    const addresses = (node.status?.addresses ?? [])
      .filter((one) => one.type === 'InternalIP')
      .map((one) => one.address);
    return [...addresses, ...(node.spec?.podCIDRs ?? [])].map((address) => ({ address }));
  }
}

/** The node that a fault happens on, and the other end of its link. */
function endsOf(spec: FaultSpec): readonly [string, string | undefined] {
  if (spec.kind === 'shape') return [spec.from, spec.to];
  if (spec.kind !== 'cut') return [spec.node, undefined];
  return spec.from === apiEnd ? [spec.to, spec.from] : [spec.from, spec.to];
}
