import type { Context } from '#base/context';
import { EtcdError, revision, type KeyValue, type Revision } from '../client.ts';
import { encodeKey } from '../byte-string.ts';
import { fromRange, recordKey, toKeyValue, toWatchResponse } from './convert.ts';
import { methods, type RangeAnswer, type WatchAnswer } from './methods.ts';
import type { EndpointPool } from './pool.ts';

export interface KeptRecord {
  readonly revision: Revision;
  readonly record: string;
}

/** Spans up to here are read version by version, longer ones through a watch of the past. */
const walkLimit = 32;

/** The history of {@link recordKey}: a version of it is the record of the revision that made it. */
export class RemoteRecords {
  readonly #pool: EndpointPool;

  constructor(pool: EndpointPool) {
    this.#pool = pool;
  }

  /** From `from` to `to`, both included, in order. What was compacted is left out, what is to come as well. */
  async read(context: Context, from: Revision, to: Revision): Promise<readonly KeptRecord[]> {
    const last = await this.#versionAt(context, to);
    if (!last || last.modRevision < from) return [];
    if (last.modRevision - from <= walkLimit) return this.#walk(context, from, last);
    return this.#replay(context, from, last.modRevision);
  }

  /** Each version says at which revision to look for the one before it. */
  async #walk(context: Context, from: Revision, last: KeyValue): Promise<readonly KeptRecord[]> {
    const found: KeptRecord[] = [];
    for (let kv: KeyValue | undefined = last; kv && kv.modRevision >= from;) {
      found.push(toRecord(kv));
      kv = kv.version > 1 ? await this.#versionAt(context, revision(kv.modRevision - 1)) : undefined;
    }
    return found.reverse();
  }

  async #replay(context: Context, from: Revision, last: Revision): Promise<readonly KeptRecord[]> {
    const found: KeptRecord[] = [];
    const create = { key: encodeKey(recordKey), start_revision: Math.max(from, 1) };
    const first = { create_request: create };
    const scope = context.withCancel();
    try {
      const messages = this.#pool.stream<WatchAnswer>(scope.context, methods.watch, first, { requireLeader: false });
      for await (const message of messages) {
        const compacted = Number(message.compact_revision);
        if (compacted > 0) return compacted > last ? [] : await this.#replay(context, revision(compacted), last);
        for (const { type, kv } of toWatchResponse(message)?.events ?? []) {
          if (type === 'PUT' && kv.modRevision <= last) found.push(toRecord(kv));
          if (kv.modRevision >= last) return found;
        }
      }
    } finally {
      scope.cancel();
    }
    throw new EtcdError('UNAVAILABLE', 'etcd ended the watch of the records');
  }

  /** Undefined when there was none yet, or the revision is compacted. A revision to come stands for now. */
  async #versionAt(context: Context, at: Revision): Promise<KeyValue | undefined> {
    try {
      return await this.#read(context, at);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (error.code === 'COMPACTED') return undefined;
      if (error.code !== 'FUTURE_REVISION') throw error;
      return this.#read(context, revision(0));
    }
  }

  async #read(context: Context, at: Revision): Promise<KeyValue | undefined> {
    const message = fromRange({ key: recordKey, revision: at });
    const answer = await this.#pool.call<RangeAnswer>(context, methods.range, message, { kind: 'read' });
    const [kv] = answer.kvs;
    return kv ? toKeyValue(kv) : undefined;
  }
}

function toRecord(kv: KeyValue): KeptRecord {
  return { revision: kv.modRevision, record: Buffer.from(kv.value).toString('utf8') };
}
