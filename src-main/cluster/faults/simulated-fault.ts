import { MachineError } from '#machines/errors';
import type { InjectedFault } from '#machines/fault-book';
import type { FaultSpec } from '#machines/faults';
import type { EmbeddedWorker } from '../workers/embedded-worker.ts';

/** Breaks something of a simulated worker. `peer` is the other end of a link between two of them. */
export async function injectIntoSimulation(
  spec: Exclude<FaultSpec, { kind: 'node' }>,
  worker: EmbeddedWorker,
  _peer: EmbeddedWorker | undefined,
): Promise<InjectedFault> {
  throw new MachineError('UNSUPPORTED', `${worker.config.name} is simulated: ${spec.kind} faults are for real nodes`);
}
