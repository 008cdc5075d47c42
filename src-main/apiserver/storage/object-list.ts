import type { KubeObject } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import type { Context } from '#base/context';
import { Pacer } from '#base/pacer';
import { EtcdError, prefixEnd, revision, type EtcdClient, type RangeResponse, type Revision } from '#etcd/client';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import { fromStore, tooLargeResourceVersion } from './errors.ts';
import { decodeStored, type DecodedObjects } from './object-codec.ts';
import type { StoredResource } from './object-store.ts';

export interface ListRequest {
  /** Empty for all namespaces. */
  readonly namespace: string;
  /** Absent: every object. */
  readonly matches?: ((object: KubeObject) => boolean) | undefined;
  /** 0 for all. */
  readonly limit: number;
  readonly continueToken?: string | undefined;
  /** Read as of this revision; absent for now. Ignored when a continue token names its own. */
  readonly atRevision?: Revision | undefined;
}

export interface ObjectPage {
  readonly revision: number;
  readonly items: readonly KubeObject[];
  readonly continueToken?: string;
  readonly remainingItemCount?: number;
}

/** The prefix of all keys that a list of `namespace` covers. */
export function listPrefix(resource: StoredResource, namespace: string): string {
  return resource.namespaced && namespace ? `${resource.keyPrefix}${namespace}/` : resource.keyPrefix;
}

const compactedMessage =
  'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.';

/** Reads pages straight from the store: for paged and for historic lists, which no cache of the present can serve. */
export class ObjectLister {
  readonly #etcd: EtcdClient;
  readonly #decoded: DecodedObjects;

  constructor(etcd: EtcdClient, decoded: DecodedObjects) {
    this.#etcd = etcd;
    this.#decoded = decoded;
  }

  /**
   * One page in key order. With a filter, the store is read on until the page is full or the range ends. Throws BadRequest for
   * a broken token, Expired when its revision was compacted, Timeout for a revision that lies ahead.
   */
  async list(context: Context, resource: StoredResource, request: ListRequest): Promise<ObjectPage> {
    const prefix = listPrefix(resource, request.namespace);
    const token = request.continueToken ? decodeContinue(request.continueToken, prefix) : undefined;
    let at: Revision | undefined = token ? revision(token.revision) : request.atRevision;
    let from = token?.startKey ?? prefix;
    const items: KubeObject[] = [];
    const pacer = new Pacer();
    for (;;) {
      const answer = await this.#range(context, from, prefixEnd(prefix), at, request.limit, token !== undefined);
      at ??= answer.revision;
      for (const [index, kv] of answer.kvs.entries()) {
        await pacer.pace();
        const object = decodeStored(kv, this.#decoded);
        if (request.matches && !request.matches(object)) continue;
        items.push(object);
        const rest = answer.count - index - 1;
        if (request.limit > 0 && items.length === request.limit && rest > 0) {
          const continueToken = encodeContinue({ revision: at, startKey: `${kv.key}\0` }, prefix);
          return { revision: at, items, continueToken, ...(request.matches ? {} : { remainingItemCount: rest }) };
        }
      }
      const last = answer.kvs[answer.kvs.length - 1];
      if (!answer.more || !last) return { revision: at, items };
      from = `${last.key}\0`;
    }
  }

  async #range(
    context: Context,
    key: string,
    rangeEnd: string,
    at: Revision | undefined,
    limit: number,
    continued: boolean,
  ): Promise<RangeResponse> {
    try {
      return await this.#etcd.range(context, {
        key,
        rangeEnd,
        ...(at === undefined ? {} : { revision: at }),
        ...(limit > 0 ? { limit } : {}),
      });
    } catch (error) {
      if (error instanceof EtcdError && error.code === 'COMPACTED' && continued) {
        throw new StatusError('Expired', compactedMessage, undefined, { cause: error });
      }
      if (error instanceof EtcdError && error.code === 'FUTURE_REVISION' && at !== undefined) {
        const { revision: current } = await fromStore(this.#etcd.range(context, { key, countOnly: true }));
        throw tooLargeResourceVersion(at, current);
      }
      return fromStore(Promise.reject(error));
    }
  }
}
