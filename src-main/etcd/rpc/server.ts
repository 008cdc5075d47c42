import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf, present } from '#base/errors';
import type { Logger } from '#base/logger';
import { EtcdError, type EtcdClient } from '../client.ts';
import type { EtcdMaintenance } from '../maintenance.ts';
import { idOf } from '../member-id.ts';
import { authService } from './auth-service.ts';
import type { Identity, Served } from './call.ts';
import { ClusterService } from './cluster-service.ts';
import { ElectionService } from './concurrency/election-service.ts';
import { LockService } from './concurrency/lock-service.ts';
import { statusOf } from './errors.ts';
import { GrpcServer } from './grpc/server.ts';
import { healthService } from './health-service.ts';
import { KvService, maxRequestBytes } from './kv-service.ts';
import { LeaseService } from './lease-service.ts';
import { MaintenanceService } from './maintenance-service.ts';
import { watchService } from './watch-service.ts';

export interface EtcdRpcServerOptions {
  readonly etcd: EtcdClient;
  /** Of the same store. It names the one member there is. */
  readonly maintenance: EtcdMaintenance;
  /** PEM. Only clients with a certificate of `ca` get in; without `ca` everybody does, for measurements. `cert` must be valid for `host`. */
  readonly tls: { readonly ca?: string; readonly cert: string; readonly key: string };
  readonly host: string;
  /** 0 for any free port; see {@link EtcdRpcServer.endpoint}. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often idle watches that ask for it are told the revision; default 10 minutes, as in etcd. */
  readonly progressIntervalMs?: number;
}

/** What etcd lets a message be longer than a request may be, so that the answer can say what is wrong. */
const overheadBytes = 512 * 1024;

/** The etcd v3 API over gRPC with TLS, for etcdctl and other etcd clients. */
export class EtcdRpcServer {
  readonly #options: EtcdRpcServerOptions;
  #server: GrpcServer | undefined;
  #port = 0;

  constructor(options: EtcdRpcServerOptions) {
    this.#options = options;
  }

  /** For example `https://127.0.0.1:2379`. */
  get endpoint(): string {
    return `https://${this.#options.host}:${this.#port}`;
  }

  /** Throws EtcdError UNAVAILABLE when the port is taken. */
  async start(): Promise<void> {
    const { tls, clock, logger, host, port } = this.#options;
    const server = new GrpcServer({
      handlers: new Map(this.#services(await this.#identity())),
      tls,
      clock,
      logger,
      maxRequestBytes: maxRequestBytes + overheadBytes,
      statusOf,
    });
    try {
      this.#port = await server.listen(host, port);
    } catch (error) {
      throw new EtcdError('UNAVAILABLE', `cannot listen on ${host}:${port}: ${messageOf(error)}`, { cause: error });
    }
    this.#server = server;
  }

  /** Ends calls and streams under way. Idempotent. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.stop();
  }

  async #identity(): Promise<Identity> {
    const [member] = await this.#options.maintenance.members(Context.background());
    const { id, raftTerm } = present(member, 'a store has a member');
    return {
      clusterId: String(idOf(`cluster of ${id}`)),
      memberId: String(BigInt(`0x${id}`)),
      raftTerm: raftTerm ?? 1,
    };
  }

  #services(identity: Identity): Served[] {
    const { etcd, maintenance, clock, progressIntervalMs = 600_000 } = this.#options;
    return [
      ...new KvService(etcd, identity).served(),
      ...new LeaseService(etcd, identity).served(),
      ...watchService({ etcd, identity, clock, progressIntervalMs }),
      ...new ClusterService({ etcd, maintenance, identity }).served(),
      ...new MaintenanceService({ etcd, maintenance, identity }).served(),
      ...authService(etcd, identity),
      ...new LockService(etcd, identity).served(),
      ...new ElectionService(etcd, identity).served(),
      ...healthService(),
    ];
  }
}
