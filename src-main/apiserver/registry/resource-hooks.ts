import type { KubeObject } from '#api/machinery/object';

/** What was taken for a write that may still fail. */
export interface Reservation {
  readonly object: KubeObject;
  /** The write did not happen: give back what was taken. */
  readonly revert: () => void;
  /** The write happened: let go of what the old version held. */
  readonly commit: () => void;
}

/** Resources whose writes take something that others must not get: cluster IPs and node ports of Services. */
export interface ResourceHooks {
  /** `next` with what the writer left out and the old version already has. */
  adopt(next: KubeObject, old: KubeObject): KubeObject;
  /** Throws Invalid when what is asked for is taken. */
  beginCreate(object: KubeObject): Reservation;
  beginUpdate(next: KubeObject, old: KubeObject): Reservation;
  deleted(object: KubeObject): void;
}
