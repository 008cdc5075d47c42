import type { Component } from '#base/component';
import type { Context } from '#base/context';
import type { EtcdClient } from '#etcd/client';
import type { EtcdMaintenance } from '#etcd/maintenance';
import type { EtcdAccess } from '../lab-view.ts';

/** `embedded`: in this process. `local`: real etcd members, child processes of ours. `external`: a real etcd that is somebody's. */
export type StoreKind = 'embedded' | 'local' | 'external';

/**
 * One member of the store. Those of ours can be killed and started on their own; an external one is only watched: its
 * `start`, `stop` and `crash` throw ClusterError UNSUPPORTED.
 */
export interface StoreMember extends Component {
  /** For example `https://127.0.0.1:2379`. */
  readonly endpoint: string;
  /** A sentence when the state does not say it: `no quorum: 1 of 3 members answers`. */
  readonly note?: string;
}

/** What the masters of a lab keep their objects in, whichever it is. */
export interface LabStore {
  readonly kind: StoreKind;
  /** One client for every life of the store; UNAVAILABLE, within seconds, while nobody answers. */
  readonly client: EtcdClient;
  readonly maintenance?: EtcdMaintenance | undefined;
  readonly access: EtcdAccess;
  readonly members: readonly StoreMember[];
  /** Copies the store as it is at one moment, as a data file in the new folder `folder`. Absent for a real etcd. */
  copyTo?(context: Context, folder: string): Promise<void>;
  /** Resolves when the store takes writes. Throws ClusterError or EtcdError. */
  start(context: Context): Promise<void>;
  stop(): Promise<void>;
  crash(): void;
}
