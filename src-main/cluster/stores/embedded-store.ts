import { join } from 'node:path';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { ComponentState } from '#base/component';
import type { Logger } from '#base/logger';
import { copyClosedStore } from '#etcd/closed-store';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import type { EtcdClient } from '#etcd/client';
import type { EtcdMaintenance } from '#etcd/maintenance';
import type { EtcdRpcServer } from '#etcd/rpc/server';
import type { EtcdAccess } from '../lab-view.ts';
import { freePort } from '../ports.ts';
import type { ClusterPki } from '../pki.ts';
import type { LabStore, StoreMember } from './lab-store.ts';
import { StoreClient } from './store-client.ts';

export interface EmbeddedStoreOptions {
  readonly master: string;
  readonly folder: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly pki: ClusterPki;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** etcd as a component: the embedded store and its gRPC port. */
export class EmbeddedStore implements LabStore, StoreMember {
  readonly kind = 'embedded';
  /** The store is its only member. */
  readonly members: readonly StoreMember[] = [this];
  readonly name: string;
  /** One client for every life of the store; UNAVAILABLE while it is down. */
  readonly client: EtcdClient = new StoreClient(() => this.#etcd);
  readonly #options: EmbeddedStoreOptions;
  #state: ComponentState = 'stopped';
  #etcd: EmbeddedEtcd | undefined;
  #rpc: EtcdRpcServer | undefined;
  #port: number;

  constructor(options: EmbeddedStoreOptions) {
    this.name = `etcd/${options.master}`;
    this.#options = options;
    this.#port = options.port;
  }

  get state(): ComponentState {
    return this.#state;
  }
  get note(): string | undefined {
    return this.#etcd?.space.raised
      ? 'the disk is full: reads and deletions work, everything else is refused until there is room'
      : undefined;
  }
  get #path(): string {
    return join(this.#options.folder, 'etcd');
  }
  get port(): number {
    return this.#port;
  }
  /** Undefined while the store is down. */
  get maintenance(): EtcdMaintenance | undefined {
    return this.#etcd?.maintenance;
  }
  get endpoint(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  get access(): EtcdAccess {
    const file = (name: string): string => join(this.#options.pki.folder, name);
    return {
      endpoint: this.endpoint,
      endpoints: [this.endpoint],
      ca: file('etcd-ca.crt'),
      cert: file('etcd-client.crt'),
      key: file('etcd-client.key'),
    };
  }

  async start(): Promise<void> {
    if (this.#state === 'running') return;
    this.#state = 'starting';
    const { clock, logger, master, pki } = this.#options;
    try {
      this.#etcd = await EmbeddedEtcd.open({
        path: this.#path,
        clock,
        logger: logger.named('etcd'),
        name: master,
        clientUrls: () => [this.endpoint],
      });
      // The gRPC library is large: loaded once something may ask for it, which is after the cluster is on its way.
      const { EtcdRpcServer } = await import('#etcd/rpc/server');
      this.#port = await freePort(this.#port);
      const tls = { ca: pki.etcdCa.certificate, cert: pki.etcdServer.certificate, key: pki.etcdServer.key };
      this.#rpc = new EtcdRpcServer({
        etcd: this.#etcd,
        maintenance: this.#etcd.maintenance,
        tls,
        host: '127.0.0.1',
        port: this.#port,
        clock,
        logger: logger.named('etcd'),
      });
      await this.#rpc.start();
      this.#state = 'running';
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async copyTo(context: Context, folder: string): Promise<void> {
    if (this.#etcd) await this.#etcd.copyTo(context, folder);
    else await copyClosedStore(this.#path, folder);
  }

  async stop(): Promise<void> {
    await this.#rpc?.stop();
    await this.#etcd?.close();
    this.#forget('stopped');
  }

  crash(): void {
    void this.#rpc?.stop();
    this.#etcd?.crash();
    this.#forget('crashed');
  }

  #forget(state: ComponentState): void {
    this.#rpc = undefined;
    this.#etcd = undefined;
    this.#state = state;
  }
}
