import type { Context } from '#base/context';
import { revision, type EtcdClient, type TxnResponse } from '../client.ts';
import { currentRevision, header, tableCodec, unary, type Identity, type Served } from './call.ts';
import { fromDelete, fromPrevious, fromRange, fromTxn, toKeys, toNumber, toPut, toRange, toTxn } from './convert.ts';
import { refuse } from './errors.ts';
import type { CompactionMessage, DeleteRangeMessage, PutMessage, RangeMessage, TxnMessage } from './messages.ts';
import { methods } from './methods.ts';

/** etcd's `--max-request-bytes`: a larger write is refused. */
export const maxRequestBytes = 1.5 * 2 ** 20;

/** etcd's KV service. */
export class KvService {
  readonly #etcd: EtcdClient;
  readonly #identity: Identity;

  constructor(etcd: EtcdClient, identity: Identity) {
    this.#etcd = etcd;
    this.#identity = identity;
  }

  served(): Served[] {
    const { range, put, deleteRange, txn, compact } = methods.kv;
    return [
      unary(range, tableCodec<RangeMessage>(range), (context, message) => this.#range(context, message)),
      unary(put, tableCodec<PutMessage>(put), (context, message, bytes) => {
        checkSize(bytes);
        return this.#put(context, message);
      }),
      unary(deleteRange, tableCodec<DeleteRangeMessage>(deleteRange), (context, message) =>
        this.#deleteRange(context, message),
      ),
      unary(txn, tableCodec<TxnMessage>(txn), (context, message, bytes) => {
        checkSize(bytes);
        return this.#txn(context, message);
      }),
      unary(compact, tableCodec<CompactionMessage>(compact), (context, message) => this.#compact(context, message)),
    ];
  }

  async #range(context: Context, message: RangeMessage): Promise<object> {
    const response = await this.#etcd.range(context, toRange(message));
    return { header: header(this.#identity, response.revision), ...fromRange(response) };
  }

  async #put(context: Context, message: PutMessage): Promise<object> {
    const response = await this.#etcd.txn(context, { compare: [], success: [toPut(message)], failure: [] });
    return this.#putResponse(response);
  }

  async #deleteRange(context: Context, message: DeleteRangeMessage): Promise<object> {
    const operation = { type: 'delete' as const, ...toKeys(message), prevKv: message.prev_kv };
    const response = await this.#etcd.txn(context, { compare: [], success: [operation], failure: [] });
    const [deletion] = response.responses;
    return {
      header: header(this.#identity, response.revision),
      ...(deletion?.type === 'delete' ? fromDelete(deletion) : {}),
    };
  }

  async #txn(context: Context, message: TxnMessage): Promise<object> {
    const response = await this.#etcd.txn(context, toTxn(message));
    return { header: header(this.#identity, response.revision), ...fromTxn(response) };
  }

  async #compact(context: Context, message: CompactionMessage): Promise<object> {
    await this.#etcd.compact(context, revision(toNumber(message.revision)), { physical: message.physical });
    return { header: header(this.#identity, await currentRevision(this.#etcd, context)) };
  }

  #putResponse(response: TxnResponse): object {
    const [put] = response.responses;
    return {
      header: header(this.#identity, response.revision),
      ...(put?.type === 'put' ? fromPrevious(put.prevKv) : {}),
    };
  }
}

function checkSize(requestBytes: number): void {
  if (requestBytes > maxRequestBytes) throw refuse('INVALID_ARGUMENT', 'request is too large');
}
