import { createHash } from 'node:crypto';
import type { Context } from '#base/context';
import { revision, type EtcdClient } from '../client.ts';
import type { EtcdMaintenance } from '../maintenance.ts';
import {
  currentRevision,
  header,
  stream,
  tableCodec,
  unary,
  type HeaderMessage,
  type Identity,
  type MessageStream,
  type Served,
} from './call.ts';
import { toNumber } from './convert.ts';
import { refuse } from './errors.ts';
import type { AlarmMessage, DowngradeMessage, HashKvMessage, MoveLeaderMessage } from './messages.ts';
import { methods } from './methods.ts';

/** The release of etcd whose API this is. */
const apiVersion = '3.6.0';
const alarmTypes = ['NONE', 'NOSPACE', 'CORRUPT'] as const;
const alarmActions = { get: 0, activate: 1, deactivate: 2 } as const;
const downgradeActions = { validate: 0, enable: 1, cancel: 2 } as const;
/** Bytes of a snapshot in one message. */
const snapshotChunkBytes = 64 * 1024;

export interface MaintenanceServiceOptions {
  readonly etcd: EtcdClient;
  readonly maintenance: EtcdMaintenance;
  readonly identity: Identity;
}

/** etcd's Maintenance service. */
export class MaintenanceService {
  readonly #etcd: EtcdClient;
  readonly #maintenance: EtcdMaintenance;
  readonly #identity: Identity;

  constructor({ etcd, maintenance, identity }: MaintenanceServiceOptions) {
    this.#etcd = etcd;
    this.#maintenance = maintenance;
    this.#identity = identity;
  }

  served(): Served[] {
    const { alarm, status, defragment, hash, hashKv, snapshot, moveLeader, downgrade } = methods.maintenance;
    return [
      unary(alarm, tableCodec<AlarmMessage>(alarm), (context, message) => this.#alarm(context, message)),
      unary(status, tableCodec(status), (context) => this.#status(context)),
      unary(defragment, tableCodec(defragment), async (context) => {
        await this.#maintenance.defragment(context);
        return {};
      }),
      unary(hash, tableCodec(hash), async (context) => {
        const answer = await this.#maintenance.hash(context);
        return { header: header(this.#identity, answer.revision), hash: answer.hash };
      }),
      unary(hashKv, tableCodec<HashKvMessage>(hashKv), (context, message) => this.#hashKv(context, message)),
      stream(snapshot, tableCodec(snapshot), (messages) => ({ receive: () => this.#snapshot(messages) })),
      unary(moveLeader, tableCodec<MoveLeaderMessage>(moveLeader), (context, message) =>
        this.#moveLeader(context, message),
      ),
      unary(downgrade, tableCodec<DowngradeMessage>(downgrade), (_context, message) =>
        Promise.reject(refusedDowngrade(message)),
      ),
    ];
  }

  async #status(context: Context): Promise<object> {
    const { memberId, raftTerm } = this.#identity;
    const { revision: current, dbSizeBytes, dbSizeInUseBytes } = await this.#etcd.status(context);
    const alarms = await this.#maintenance.alarms(context);
    return {
      header: header(this.#identity, current),
      version: apiVersion,
      dbSize: dbSizeBytes,
      dbSizeInUse: dbSizeInUseBytes,
      leader: memberId,
      // There is no raft log: every revision stands for one applied entry.
      raftIndex: current,
      raftAppliedIndex: current,
      raftTerm,
      errors: alarms.map(({ type }) => `memberID:${memberId} alarm:${type} `),
    };
  }

  /** Alarms are the store's to raise; there is one member, whose they all are. */
  async #alarm(context: Context, message: AlarmMessage): Promise<object> {
    const isAsked = (type: string): boolean => message.alarm === 0 || alarmTypes[message.alarm] === type;
    const mine = message.memberID === '0' || message.memberID === this.#identity.memberId;
    if (message.action === alarmActions.activate) throw refuse('UNAVAILABLE', 'not capable');
    const alarms = mine ? (await this.#maintenance.alarms(context)).filter(({ type }) => isAsked(type)) : [];
    if (message.action === alarmActions.deactivate) {
      for (const alarm of alarms) await this.#maintenance.disarm(context, alarm);
    }
    const told = alarms.map(({ type }) => ({ memberID: this.#identity.memberId, alarm: alarmTypes.indexOf(type) }));
    return { header: await this.#header(context), alarms: told };
  }

  async #hashKv(context: Context, message: HashKvMessage): Promise<object> {
    const at = toNumber(message.revision);
    const answer = await this.#maintenance.hashKv(context, at === 0 ? undefined : revision(at));
    const { hash, compactRevision } = answer;
    return {
      header: await this.#header(context),
      hash,
      compact_revision: compactRevision,
      hash_revision: answer.revision,
    };
  }

  /** The file in pieces, then its SHA-256 as etcdctl checks it. */
  async #snapshot(messages: MessageStream<object>): Promise<void> {
    const { context } = messages;
    const told = header(this.#identity, await currentRevision(this.#etcd, context));
    const { dbSizeBytes } = await this.#etcd.status(context);
    const sha256 = createHash('sha256');
    let sent = 0;
    for await (const piece of this.#maintenance.snapshot(context)) {
      sha256.update(piece);
      for (let at = 0; at < piece.length; at += snapshotChunkBytes) {
        const blob = piece.subarray(at, at + snapshotChunkBytes);
        sent += blob.length;
        const remaining = Math.max(0, dbSizeBytes - sent);
        await messages.send({ header: told, remaining_bytes: remaining, blob, version: apiVersion });
      }
    }
    await messages.send({ header: told, blob: sha256.digest(), version: apiVersion });
  }

  async #moveLeader(context: Context, message: MoveLeaderMessage): Promise<object> {
    if (message.targetID !== this.#identity.memberId) throw refuse('FAILED_PRECONDITION', 'bad leader transferee');
    return { header: await this.#header(context) };
  }

  async #header(context: Context): Promise<HeaderMessage> {
    return header(this.#identity, await currentRevision(this.#etcd, context));
  }
}

/** There is one release of this store, and so nothing to go back to. */
function refusedDowngrade({ action, version }: DowngradeMessage): Error {
  if (action === downgradeActions.cancel) return refuse('FAILED_PRECONDITION', 'no inflight downgrade');
  return /^\d+\.\d+(\.\d+)?$/.test(version)
    ? refuse('INVALID_ARGUMENT', 'invalid downgrade target version')
    : refuse('INVALID_ARGUMENT', 'wrong downgrade target version format');
}
