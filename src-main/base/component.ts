import type { Context } from './context.ts';

export type ComponentState = 'stopped' | 'starting' | 'running' | 'stopping' | 'crashed';

/**
 * One part of a cluster that can be started, stopped and killed on its own: an API server, a scheduler, a kubelet. The
 * same object can be started again after either end.
 */
export interface Component {
  /** Unique in its cluster, for example `kube-scheduler/master-1`. */
  readonly name: string;
  readonly state: ComponentState;
  /** Resolves when the component serves. `context` bounds the start only, not the component's life. */
  start(context: Context): Promise<void>;
  /** Ends work in order: leases are released, streams are told, what is in memory is handed over. Idempotent. */
  stop(): Promise<void>;
  /** Ends at once, as `kill -9` would: nothing is released, nothing is written, peers find out by themselves. */
  crash(): void;
}
