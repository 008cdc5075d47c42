import type { Context } from '#base/context';
import { decodeKey, encodeKey } from '../../byte-string.ts';
import { revision, type Compare, type EtcdClient, type KeyValue, type Revision } from '../../client.ts';
import { header, stream, tableCodec, unary, type Identity, type MessageStream, type Served } from '../call.ts';
import { fromKeyValue, toNumber } from '../convert.ts';
import { GrpcError } from '../grpc/status.ts';
import type { CampaignMessage, LeaderKeyMessage, LeaderMessage, ProclaimMessage, ResignMessage } from '../messages.ts';
import { methods } from '../methods.ts';
import { first, leaseFor, line, lineUp, waitForTurn } from './queue.ts';

/** etcd's Election service (`v3election`, 3.6): who is first in line leads, with the value of its key. */
export class ElectionService {
  readonly #etcd: EtcdClient;
  readonly #identity: Identity;

  constructor(etcd: EtcdClient, identity: Identity) {
    this.#etcd = etcd;
    this.#identity = identity;
  }

  served(): Served[] {
    const { campaign, proclaim, leader, observe, resign } = methods.election;
    return [
      unary(campaign, tableCodec<CampaignMessage>(campaign), (context, message) => this.#campaign(context, message)),
      unary(proclaim, tableCodec<ProclaimMessage>(proclaim), (context, message) => this.#proclaim(context, message)),
      unary(leader, tableCodec<LeaderMessage>(leader), (context, message) => this.#leader(context, message)),
      stream(observe, tableCodec<LeaderMessage>(observe), (messages) => ({
        receive: (message) => this.#observe(messages, decodeKey(message.name)),
      })),
      unary(resign, tableCodec<ResignMessage>(resign), (context, message) => this.#resign(context, message)),
    ];
  }

  async #campaign(context: Context, message: CampaignMessage): Promise<object> {
    const name = decodeKey(message.name);
    const lease = await leaseFor(this.#etcd, context, BigInt(message.lease));
    const place = await lineUp(this.#etcd, context, { name, lease, value: message.value });
    if (place.found && Buffer.compare(place.found.value, message.value) !== 0) {
      await this.#put(context, { key: place.key, createRevision: place.createRevision, lease }, message.value);
    }
    await waitForTurn(this.#etcd, context, name, place);
    const key = encodeKey(place.key);
    const leader = { name: message.name, key, rev: place.createRevision, lease: String(lease) };
    return { header: header(this.#identity, place.revision), leader };
  }

  async #proclaim(context: Context, message: ProclaimMessage): Promise<object> {
    const { key, rev, lease } = present(message.leader);
    const place = { key: decodeKey(key), createRevision: revision(toNumber(rev)), lease: BigInt(lease) };
    return { header: header(this.#identity, await this.#put(context, place, message.value)) };
  }

  async #leader(context: Context, message: LeaderMessage): Promise<object> {
    const { kv, revision: at } = await first(this.#etcd, context, decodeKey(message.name));
    if (!kv) throw new GrpcError('UNKNOWN', 'election: no leader');
    return { header: header(this.#identity, at), kv: fromKeyValue(kv) };
  }

  async #resign(context: Context, message: ResignMessage): Promise<object> {
    const { key, rev } = present(message.leader);
    const name = decodeKey(key);
    const answer = await this.#etcd.txn(context, {
      compare: [isPlace(name, revision(toNumber(rev)))],
      success: [{ type: 'delete', key: name }],
      failure: [],
    });
    return { header: header(this.#identity, answer.revision) };
  }

  /** Tells of each leader and each of its proclamations, until the stream ends. */
  async #observe(messages: MessageStream<object>, name: string): Promise<void> {
    const { context } = messages;
    const tell = (kv: KeyValue, at: Revision): Promise<void> | undefined =>
      messages.send({ header: header(this.#identity, at), kv: fromKeyValue(kv) });
    while (!context.ended) {
      const now = await first(this.#etcd, context, name);
      const kv = now.kv ?? (await this.#nextCandidate(context, name, now.revision));
      if (!kv) return;
      await tell(kv, now.kv ? now.revision : kv.modRevision);
      await this.#follow(context, kv, now.kv ? now.revision : kv.modRevision, tell);
    }
  }

  async #nextCandidate(context: Context, name: string, after: Revision): Promise<KeyValue | undefined> {
    const watcher = this.#etcd.watch(context, { ...line(name), startRevision: revision(after + 1), noDelete: true });
    try {
      for await (const { events } of watcher.responses) if (events[0]) return events[0].kv;
      return undefined;
    } finally {
      watcher.close();
    }
  }

  /** Until the leader's key is gone. */
  async #follow(
    context: Context,
    leader: KeyValue,
    after: Revision,
    tell: (kv: KeyValue, at: Revision) => Promise<void> | undefined,
  ): Promise<void> {
    const watcher = this.#etcd.watch(context, { key: leader.key, startRevision: revision(after + 1) });
    try {
      for await (const { events } of watcher.responses) {
        for (const { type, kv } of events) {
          if (type === 'DELETE') return;
          await tell(kv, kv.modRevision);
        }
      }
    } finally {
      watcher.close();
    }
  }

  async #put(
    context: Context,
    place: { readonly key: string; readonly createRevision: Revision; readonly lease: bigint },
    value: Uint8Array,
  ): Promise<Revision> {
    const answer = await this.#etcd.txn(context, {
      compare: [isPlace(place.key, place.createRevision)],
      success: [{ type: 'put', key: place.key, value, lease: place.lease }],
      failure: [],
    });
    if (!answer.succeeded) throw new GrpcError('UNKNOWN', 'election: not leader');
    return answer.revision;
  }
}

function isPlace(key: string, createRevision: Revision): Compare {
  return { key, target: 'create', result: '=', createRevision };
}

function present(leader: LeaderKeyMessage | undefined): LeaderKeyMessage {
  if (!leader) throw new GrpcError('UNKNOWN', '"leader" field must be provided');
  return leader;
}
