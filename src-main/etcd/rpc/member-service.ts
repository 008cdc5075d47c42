import type { Context } from '#base/context';
import type { EtcdClient } from '../client.ts';
import { header, tableCodec, unary, type Identity, type Served } from './call.ts';
import { methods } from './methods.ts';

/** The release of etcd whose API this is. */
const apiVersion = '3.6.0';

/** The parts of etcd's Cluster and Maintenance services that tell who is there and how it is. */
export class MemberService {
  readonly #etcd: EtcdClient;
  readonly #identity: Identity;
  readonly #member: { readonly name: string; readonly clientUrl: () => string };

  constructor(
    etcd: EtcdClient,
    identity: Identity,
    member: { readonly name: string; readonly clientUrl: () => string },
  ) {
    this.#etcd = etcd;
    this.#identity = identity;
    this.#member = member;
  }

  served(): Served[] {
    const { list } = methods.cluster;
    const { status, alarm } = methods.maintenance;
    return [
      unary(list, tableCodec(list), (context) => this.#memberList(context)),
      unary(status, tableCodec(status), (context) => this.#status(context)),
      unary(alarm, tableCodec(alarm), (context) => this.#alarm(context)),
    ];
  }

  async #memberList(context: Context): Promise<object> {
    const { name, clientUrl } = this.#member;
    const { revision } = await this.#etcd.status(context);
    // No peers, so no peer address.
    const member = { ID: this.#identity.memberId, name, peerURLs: [], clientURLs: [clientUrl()] };
    return { header: header(this.#identity, revision), members: [member] };
  }

  async #status(context: Context): Promise<object> {
    const { revision, dbSizeBytes, dbSizeInUseBytes } = await this.#etcd.status(context);
    return {
      header: header(this.#identity, revision),
      version: apiVersion,
      dbSize: dbSizeBytes,
      dbSizeInUse: dbSizeInUseBytes,
      leader: this.#identity.memberId,
      // There is no raft log: every revision stands for one applied entry.
      raftIndex: revision,
      raftAppliedIndex: revision,
      raftTerm: this.#identity.raftTerm,
    };
  }

  /** A full disk or damaged data is reported to the caller it happens to; there is never a standing alarm. */
  async #alarm(context: Context): Promise<object> {
    const { revision } = await this.#etcd.status(context);
    return { header: header(this.#identity, revision), alarms: [] };
  }
}
