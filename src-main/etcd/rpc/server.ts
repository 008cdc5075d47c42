import {
  Server,
  ServerCredentials,
  type handleBidiStreamingCall,
  type handleUnaryCall,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { EtcdError, type EtcdClient } from '../client.ts';
import { checksum } from '../backend/checksum.ts';
import { toStatus, type Identity } from './call.ts';
import { kvMethods, KvService } from './kv-service.ts';
import { leaseMethods, LeaseService } from './lease-service.ts';
import { clusterMethods, maintenanceMethods, MemberService } from './member-service.ts';
import type {
  CompactionMessage,
  DeleteRangeMessage,
  LeaseGrantMessage,
  LeaseMessage,
  LeaseTimeToLiveMessage,
  PutMessage,
  RangeMessage,
  TxnMessage,
  WatchMessage,
} from './messages.ts';
import { watchMethods, WatchStream } from './watch-service.ts';

export interface EtcdRpcServerOptions {
  readonly etcd: EtcdClient;
  /** PEM. Only clients with a certificate of `ca` get in. `cert` must be valid for `host`. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly host: string;
  /** 0 for any free port; see {@link EtcdRpcServer.endpoint}. */
  readonly port: number;
  readonly logger: Logger;
  /** The member's name; default `default`, as in etcd. */
  readonly name?: string;
}

/** The etcd v3 API over gRPC with TLS, for etcdctl and other etcd clients. Methods left out answer UNIMPLEMENTED. */
export class EtcdRpcServer {
  readonly #options: EtcdRpcServerOptions;
  readonly #identity: Identity;
  #server: Server | undefined;
  #life = Context.background().withCancel();
  #port = 0;

  constructor(options: EtcdRpcServerOptions) {
    this.#options = options;
    const id = checksum(Buffer.from(options.name ?? 'default'));
    this.#identity = { clusterId: id, memberId: id, raftTerm: 1 };
  }

  /** For example `https://127.0.0.1:2379`. */
  get endpoint(): string {
    return `https://${this.#options.host}:${this.#port}`;
  }

  /** Throws EtcdError UNAVAILABLE when the port is taken. */
  async start(): Promise<void> {
    const { ca, cert, key } = this.#options.tls;
    const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
    const credentials = ServerCredentials.createSsl(Buffer.from(ca), [pair], true);
    const server = new Server();
    this.#life = Context.background().withCancel();
    this.#addServices(server);
    const address = `${this.#options.host}:${this.#options.port}`;
    this.#port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(address, credentials, (error, port) => {
        if (error)
          reject(new EtcdError('UNAVAILABLE', `cannot listen on ${address}: ${error.message}`, { cause: error }));
        else resolve(port);
      });
    });
    this.#server = server;
  }

  /** Ends calls and streams under way. Idempotent. */
  async stop(): Promise<void> {
    this.#life.cancel();
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  #addServices(server: Server): void {
    const { etcd, name = 'default' } = this.#options;
    const kv = new KvService(etcd, this.#identity);
    const lease = new LeaseService(etcd, this.#identity);
    const member = new MemberService(etcd, this.#identity, () => ({ name, clientUrl: this.endpoint }));
    server.addService(kvMethods, {
      Range: this.#unary((context, message: RangeMessage) => kv.range(context, message)),
      Put: this.#unary((context, message: PutMessage) => kv.put(context, message)),
      DeleteRange: this.#unary((context, message: DeleteRangeMessage) => kv.deleteRange(context, message)),
      Txn: this.#unary((context, message: TxnMessage) => kv.txn(context, message)),
      Compact: this.#unary((context, message: CompactionMessage) => kv.compact(context, message)),
    });
    server.addService(leaseMethods, {
      LeaseGrant: this.#unary((context, message: LeaseGrantMessage) => lease.grant(context, message)),
      LeaseRevoke: this.#unary((context, message: LeaseMessage) => lease.revoke(context, message)),
      LeaseKeepAlive: this.#keepAlives(lease),
      LeaseTimeToLive: this.#unary((context, message: LeaseTimeToLiveMessage) => lease.timeToLive(context, message)),
      LeaseLeases: this.#unary((context) => lease.leases(context)),
    });
    server.addService(watchMethods, { Watch: this.#watches(etcd) });
    server.addService(clusterMethods, { MemberList: this.#unary((context) => member.memberList(context)) });
    server.addService(maintenanceMethods, {
      Status: this.#unary((context) => member.status(context)),
      Alarm: this.#unary((context) => member.alarm(context)),
    });
  }

  #unary<Message>(handler: (context: Context, message: Message) => Promise<object>): handleUnaryCall<Message, object> {
    return (call, callback) => {
      const { context, cancel } = this.#life.context.withCancel();
      call.on('cancelled', cancel);
      handler(context, call.request)
        .then(
          (response) => callback(null, response),
          (error: unknown) => callback(toStatus(error)),
        )
        .finally(cancel);
    };
  }

  #keepAlives(lease: LeaseService): handleBidiStreamingCall<LeaseMessage, object> {
    return (stream) => {
      this.#serveStream(stream, (context, send) => async (message) => send(await lease.keepAlive(context, message)));
    };
  }

  #watches(etcd: EtcdClient): handleBidiStreamingCall<WatchMessage, object> {
    return (stream) => {
      this.#serveStream(stream, (context, send) => {
        const watches = new WatchStream(etcd, this.#identity, context, send);
        return (message) => watches.receive(message);
      });
    };
  }

  /** Hands the messages of a stream to a receiver one after the other, until either side ends it. */
  #serveStream<Message>(
    stream: ServerDuplexStream<Message, object>,
    receiver: (context: Context, send: (message: object) => Promise<void>) => (message: Message) => Promise<void>,
  ): void {
    const { context, cancel } = this.#life.context.withCancel();
    const send = async (message: object): Promise<void> => {
      if (context.ended || stream.write(message)) return;
      await new Promise<void>((resolve) => {
        const link = context.onEnd(resolve);
        stream.once('drain', () => {
          link.dispose();
          resolve();
        });
      });
    };
    const receive = receiver(context, send);
    const run = async (): Promise<void> => {
      for await (const message of stream as AsyncIterable<Message>) await receive(message);
      stream.end();
    };
    stream.on('cancelled', cancel);
    stream.on('error', cancel);
    run()
      .catch((error: unknown) => {
        if (context.ended) return;
        this.#options.logger.debug('an etcd stream failed', { error: messageOf(error) });
        stream.emit('error', toStatus(error));
      })
      .finally(cancel);
  }
}
