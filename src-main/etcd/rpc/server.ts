import type { Clock } from '#base/clock';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { EtcdError, type EtcdClient } from '../client.ts';
import type { Identity, Served } from './call.ts';
import { statusOf } from './errors.ts';
import { GrpcServer } from './grpc/server.ts';
import { idOf, memberIdOf } from '../member-id.ts';
import { KvService, maxRequestBytes } from './kv-service.ts';
import { LeaseService } from './lease-service.ts';
import { MemberService } from './member-service.ts';
import { watchService } from './watch-service.ts';

export interface EtcdRpcServerOptions {
  readonly etcd: EtcdClient;
  /** PEM. Only clients with a certificate of `ca` get in; without `ca` everybody does, for measurements. `cert` must be valid for `host`. */
  readonly tls: { readonly ca?: string; readonly cert: string; readonly key: string };
  readonly host: string;
  /** 0 for any free port; see {@link EtcdRpcServer.endpoint}. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The member's name; default `default`, as in etcd. */
  readonly name?: string;
  /** How often idle watches that ask for it are told the revision; default 10 minutes, as in etcd. */
  readonly progressIntervalMs?: number;
}

/** What etcd lets a message be longer than a request may be, so that the answer can say what is wrong. */
const overheadBytes = 512 * 1024;

/** The etcd v3 API over gRPC with TLS, for etcdctl and other etcd clients. */
export class EtcdRpcServer {
  readonly #options: EtcdRpcServerOptions;
  readonly #identity: Identity;
  #server: GrpcServer | undefined;
  #port = 0;

  constructor(options: EtcdRpcServerOptions) {
    this.#options = options;
    const { name = 'default' } = options;
    this.#identity = { clusterId: String(idOf(`cluster ${name}`)), memberId: String(memberIdOf(name)), raftTerm: 2 };
  }

  /** For example `https://127.0.0.1:2379`. */
  get endpoint(): string {
    return `https://${this.#options.host}:${this.#port}`;
  }

  /** Throws EtcdError UNAVAILABLE when the port is taken. */
  async start(): Promise<void> {
    const { tls, clock, logger, host, port } = this.#options;
    const server = new GrpcServer({
      handlers: new Map(this.#services()),
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

  #services(): Served[] {
    const { etcd, clock, name = 'default', progressIntervalMs = 600_000 } = this.#options;
    const member = { name, clientUrl: () => this.endpoint };
    return [
      ...new KvService(etcd, this.#identity).served(),
      ...new LeaseService(etcd, this.#identity).served(),
      ...watchService({ etcd, identity: this.#identity, clock, progressIntervalMs }),
      ...new MemberService(etcd, this.#identity, member).served(),
    ];
  }
}

/** An id as etcd has them: 64 bits of a hash. Decimal. */
