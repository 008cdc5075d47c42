import type { Node } from '#api/gen/types';
import type { Context } from '#base/context';
import type { KubeClient } from '#client/client';
import { nodes } from '#client/resources';
import { MachineError } from '#machines/errors';
import type { InjectedFault } from '#machines/fault-book';
import { apiEnd, type FaultPeer, type FaultSpec, type NodeFault } from '#machines/faults';
import type { FaultGuard } from '#machines/guard/fault-guard';
import type { MachineWatch, UndoAction } from '#machines/machine';
import { EmbeddedWorker } from '../workers/embedded-worker.ts';
import { RemoteWorker } from '../workers/remote-worker.ts';
import type { Worker } from '../workers/worker.ts';
import { checkFaultSpec, endsOf } from './fault-spec.ts';
import { faultNodePower } from './node-power.ts';
import { injectIntoMachine } from './remote-fault.ts';
import { injectIntoSimulation } from './simulated-fault.ts';

export interface FaultInjectorOptions {
  /** Throws ClusterError NODE_MISSING. */
  readonly worker: (name: string) => Worker;
  readonly admin: KubeClient;
  /** Brings frozen and dead machines back when this process dies. */
  readonly guard: FaultGuard;
}

/** Turns what a person wants broken into what one machine does: names become addresses, the driver's way is found. */
export class FaultInjector {
  readonly #options: FaultInjectorOptions;

  constructor(options: FaultInjectorOptions) {
    this.#options = options;
  }

  readonly inject = async (context: Context, spec: FaultSpec): Promise<InjectedFault> => {
    checkFaultSpec(spec);
    const [name, peerName] = endsOf(spec);
    const worker = this.#options.worker(name);
    const peer = peerName === undefined || peerName === apiEnd ? undefined : this.#options.worker(peerName);
    if (spec.kind === 'node')
      return faultNodePower(context, worker, spec.action, (undo) => this.#watch(context, worker, undo));
    if (worker.state !== 'running')
      throw new MachineError('INVALID', `${name} is ${worker.state}: nothing can be broken in it until it runs`);
    if (worker instanceof EmbeddedWorker) {
      if (peer && !(peer instanceof EmbeddedWorker)) throw noLink(name, peer.config.name);
      return injectIntoSimulation(spec, worker);
    }
    if (!(worker instanceof RemoteWorker)) throw new MachineError('UNSUPPORTED', `${name} takes no faults`);
    if (peer instanceof EmbeddedWorker) throw noLink(peer.config.name, name);
    return injectIntoMachine(context, worker.machine, await this.#nodeFault(context, spec, worker));
  };

  /** Docker can be asked by another process; a machine reached by SSH only by one of its own. */
  async #watch(context: Context, worker: Worker, undo: UndoAction): Promise<MachineWatch> {
    const never = new Promise<void>(() => undefined);
    if (!(worker instanceof RemoteWorker)) return { ended: never, drop: async () => undefined };
    const { machine } = worker;
    if (machine.watchOver) return machine.watchOver(context, undo);
    const watched = machine.rescue && this.#options.guard.watch(machine.rescue, undo);
    return { ended: never, drop: async () => watched?.dispose() };
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
    if (peer === apiEnd) return worker.apiPeers();
    const node = await this.#options.admin.resource<Node>(nodes).get(context, '', peer);
    const addresses = (node.status?.addresses ?? [])
      .filter((one) => one.type === 'InternalIP')
      .map((one) => one.address);
    return [...addresses, ...(node.spec?.podCIDRs ?? [])].map((address) => ({ address }));
  }
}

function noLink(simulated: string, real: string): MachineError {
  return new MachineError(
    'UNSUPPORTED',
    `there is no link between ${simulated} and ${real}: simulated and real nodes exchange no packets`,
  );
}
