import type { Context } from '#base/context';
import { revision, type EtcdClient, type RangeResponse, type TxnResponse } from '../client.ts';
import { currentRevision, header, tableCodec, unary, type Identity, type MethodCodec, type Served } from './call.ts';
import { fromDelete, fromTxn, toKeys, toNumber, toPut, toRange, toTxn } from './convert.ts';
import { refuse } from './errors.ts';
import { encodePut, encodeRange } from './hot-messages.ts';
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
    const rangeCodec: MethodCodec<RangeMessage, RangeResponse> = {
      decode: tableCodec<RangeMessage>(range).decode,
      encode: (response) => encodeRange(this.#identity, response),
    };
    const putCodec: MethodCodec<PutMessage, TxnResponse> = {
      decode: tableCodec<PutMessage>(put).decode,
      encode: ({ revision: at, responses: [answer] }) =>
        encodePut(this.#identity, at, answer?.type === 'put' ? answer.prevKv : undefined),
    };
    return [
      unary(range, rangeCodec, (context, message) => this.#etcd.range(context, toRange(message))),
      unary(put, putCodec, (context, message, bytes) => {
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

  #put(context: Context, message: PutMessage): Promise<TxnResponse> {
    return this.#etcd.txn(context, { compare: [], success: [toPut(message)], failure: [] });
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
}

function checkSize(requestBytes: number): void {
  if (requestBytes > maxRequestBytes) throw refuse('INVALID_ARGUMENT', 'request is too large');
}
