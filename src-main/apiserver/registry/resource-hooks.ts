import type { KubeObject } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { Guard } from '../storage/object-store.ts';
import type { AllocationOwnership } from './services/allocation-ownership.ts';

/** What was taken for a write that may still fail. */
export interface Reservation {
  readonly object: KubeObject;
  /** Whether something was taken that another API server could give away as well. */
  readonly takes: boolean;
  /** The write did not happen: give back what was taken. */
  readonly revert: () => void;
  /** The write happened, at this revision. */
  readonly commit: (revision: number) => void;
}

/** A reservation that counts against other API servers too, if the write is made on its condition. */
export interface GuardedReservation extends Reservation {
  readonly guard?: Guard;
}

/** Resources whose writes take something that others must not get: cluster IPs and node ports of Services. */
export interface ResourceHooks {
  readonly ownership: AllocationOwnership;
  /** `next` with what the writer left out and the old version already has. */
  adopt(next: KubeObject, old: KubeObject): KubeObject;
  /** Throws Invalid when what is asked for is taken, as far as this server knows. */
  beginCreate(object: KubeObject): Reservation;
  beginUpdate(next: KubeObject, old: KubeObject): Reservation;
  /** Waits until this server knows of everything that was taken and given back. */
  catchUp(context: Context): Promise<void>;
}

/** `begin` as the owner of what it takes; a dry run, which stores nothing, owns nothing. Throws Invalid when that is taken indeed. */
export async function reserve(
  context: Context,
  hooks: ResourceHooks,
  dryRun: boolean,
  begin: () => Reservation,
): Promise<GuardedReservation> {
  const { ownership } = hooks;
  const reservation = await beginUpToDate(context, hooks, begin);
  if (!reservation.takes || dryRun) return reservation;
  if (ownership.guard) return { ...reservation, guard: ownership.guard };
  // It was taken without being the owner, from a cache that may lack what others gave out.
  reservation.revert();
  const guard = await ownership.take();
  return { ...(await beginUpToDate(context, hooks, begin)), guard };
}

/** A refusal counts only when nothing is unknown: another server may just have deleted who holds what is asked for. */
async function beginUpToDate(context: Context, hooks: ResourceHooks, begin: () => Reservation): Promise<Reservation> {
  try {
    return begin();
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    await hooks.catchUp(context);
    return begin();
  }
}
