import type { Context } from '#base/context';
import type { Kernel } from '#network/kernel';
import type { Clock } from '#base/clock';

/** What a fault is made with. */
export interface FaultTools {
  readonly kernel: Kernel;
  readonly clock: Clock;
  /** Distinguishes what this fault makes (tables, files) from what others make: the process id. */
  readonly mark: string;
}

/** A fault that is in place. */
export interface AppliedFault {
  /** One sentence for a person. */
  readonly text: string;
  /** Takes everything back. Never leaves a part: what fails is tried on and then thrown. */
  heal(context: Context): Promise<void>;
}

/** The kernel, or this machine, cannot do it: said so instead of pretended. */
export class UnsupportedFaultError extends Error {
  override readonly name = 'UnsupportedFaultError';
}

/** The queue of ours in front of a network device. */
export const queueHandle = 'df00:';
/** Everything of ours in the packet filter begins with this, so that a restarted node can sweep what a killed fault left. */
export const tablePrefix = 'drydock-fault-';
