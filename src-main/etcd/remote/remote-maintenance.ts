import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { EtcdError, revision, type Revision } from '../client.ts';
import type { Alarm, EtcdMaintenance, HashKv, MemberStatus, WatcherStatus } from '../maintenance.ts';
import { CallError, type Connection } from './connection.ts';
import { revisionOf } from './convert.ts';
import {
  methods,
  type AlarmAnswer,
  type Answer,
  type HashAnswer,
  type HashKvAnswer,
  type MemberListAnswer,
  type RemoteMethod,
  type SnapshotAnswer,
  type StatusAnswer,
} from './methods.ts';
import type { EndpointPool } from './pool.ts';

/** A member that does not answer is told as such, soon: people wait for the list. */
const memberTimeoutMs = 1_000;
/** Defragmentation stops a member for as long as it takes to copy its file. */
const defragmentTimeoutMs = 600_000;
/** A checksum reads the whole database. */
const hashTimeoutMs = 60_000;
const alarmTypes = ['NONE', 'NOSPACE', 'CORRUPT'] as const;

/** etcd's Maintenance and Cluster services. */
export class RemoteMaintenance implements EtcdMaintenance {
  readonly #pool: EndpointPool;
  readonly #watchers: () => readonly WatcherStatus[];

  constructor(pool: EndpointPool, watchers: () => readonly WatcherStatus[]) {
    this.#pool = pool;
    this.#watchers = watchers;
  }

  async members(context: Context): Promise<readonly MemberStatus[]> {
    const statuses = await Promise.all(this.#pool.connections.map((connection) => this.#statusOf(context, connection)));
    const list = await this.#pool.call<MemberListAnswer>(
      context,
      methods.memberList,
      {},
      { kind: 'read', serializable: true, timeoutMs: memberTimeoutMs * 2 },
    );
    return list.members.map((member) => {
      const known = statuses.find((one) => one.status?.header?.member_id === member.ID);
      const own = known ?? statuses.find((one) => member.clientURLs.includes(one.endpoint));
      return {
        id: BigInt(member.ID).toString(16),
        name: member.name,
        clientUrls: member.clientURLs,
        peerUrls: member.peerURLs,
        isLeader: own?.status?.leader === member.ID,
        ...facts(own),
      };
    });
  }

  /** Who answers at `endpoint`. Throws EtcdError when nobody does, or what does is no etcd. */
  async identify(context: Context, endpoint: string): Promise<MemberIdentity> {
    const answer = await this.#ask<StatusAnswer>(context, methods.status, {}, endpoint, memberTimeoutMs * 3);
    const { header, version } = answer;
    if (!header || version === '') throw new EtcdError('UNAVAILABLE', `${endpoint} is no etcd`);
    return { clusterId: BigInt(header.cluster_id).toString(16), version };
  }

  async hash(context: Context, endpoint?: string): Promise<{ readonly revision: Revision; readonly hash: number }> {
    const answer = await this.#ask<HashAnswer>(context, methods.hash, {}, endpoint, hashTimeoutMs);
    return { revision: revisionOf(answer), hash: answer.hash };
  }

  async hashKv(context: Context, at?: Revision, endpoint?: string): Promise<HashKv> {
    const message = { revision: at ?? 0 };
    const answer = await this.#ask<HashKvAnswer>(context, methods.hashKv, message, endpoint, hashTimeoutMs);
    const compactRevision = revision(Number(answer.compact_revision));
    // Before etcd 3.6 the answer does not repeat the revision.
    return { revision: at ?? revisionOf(answer), compactRevision, hash: answer.hash };
  }

  async defragment(context: Context, endpoint?: string): Promise<void> {
    await this.#ask<Answer>(context, methods.defragment, {}, endpoint, defragmentTimeoutMs);
  }

  async alarms(context: Context): Promise<readonly Alarm[]> {
    return this.#alarm(context, { action: 0 });
  }

  async disarm(context: Context, alarm: Alarm): Promise<readonly Alarm[]> {
    const memberID = BigInt(`0x${alarm.memberId}`).toString();
    await this.#alarm(context, { action: 2, memberID, alarm: alarmTypes.indexOf(alarm.type) });
    return this.alarms(context);
  }

  async *snapshot(context: Context): AsyncGenerator<Uint8Array> {
    const parts = this.#pool.stream<SnapshotAnswer>(
      context,
      methods.snapshot,
      {},
      {
        requireLeader: false,
        oneRequest: true,
      },
    );
    for await (const part of parts) if (part.blob.byteLength > 0) yield part.blob;
    context.check();
  }

  /** Those of this client: a real etcd does not tell of others. */
  async watchers(): Promise<readonly WatcherStatus[]> {
    return this.#watchers();
  }

  async #alarm(context: Context, message: object): Promise<readonly Alarm[]> {
    const answer = await this.#pool.call<AlarmAnswer>(context, methods.alarm, message, { kind: 'read' });
    return answer.alarms.flatMap(({ memberID, alarm }) => {
      const type = alarmTypes[alarm];
      return type === 'NOSPACE' || type === 'CORRUPT' ? [{ memberId: BigInt(memberID).toString(16), type }] : [];
    });
  }

  /** Of one member; the one that answers when `endpoint` is absent. */
  async #ask<Message>(
    context: Context,
    method: RemoteMethod,
    message: object,
    endpoint: string | undefined,
    timeoutMs: number,
  ): Promise<Message> {
    const connection = endpoint === undefined ? await this.#pool.connect(context) : this.#pool.connectionOf(endpoint);
    await connection.ready(context, memberTimeoutMs);
    try {
      return await connection.unary<Message>(context, method, message, { timeoutMs, patient: true });
    } catch (error) {
      throw error instanceof CallError ? error.etcdError : error;
    }
  }

  async #statusOf(context: Context, connection: Connection): Promise<AskedMember> {
    const { endpoint } = connection;
    try {
      const status = await this.#ask<StatusAnswer>(context, methods.status, {}, endpoint, memberTimeoutMs);
      return { endpoint, status };
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      return { endpoint, error: messageOf(error) };
    }
  }
}

export interface MemberIdentity {
  /** Hexadecimal; the same for all members of one etcd. */
  readonly clusterId: string;
  readonly version: string;
}

interface AskedMember {
  readonly endpoint: string;
  readonly status?: StatusAnswer;
  readonly error?: string;
}

function facts(asked: AskedMember | undefined): Partial<MemberStatus> {
  if (!asked) return { error: 'it is none of the endpoints of this client' };
  const { status, error } = asked;
  if (!status) return { error: error ?? 'no answer' };
  return {
    version: status.version,
    dbSizeBytes: Number(status.dbSize),
    dbSizeInUseBytes: Number(status.dbSizeInUse),
    raftTerm: Number(status.raftTerm),
    raftIndex: Number(status.raftIndex),
    ...(status.leader === '0' ? { error: 'etcdserver: no leader' } : {}),
  };
}
