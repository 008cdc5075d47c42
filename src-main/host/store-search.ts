import type { Context } from '#base/context';
import { Pacer } from '#base/pacer';
import { prefixEnd, revision, type EtcdClient, type KeyValue, type Revision } from '#etcd/client';
import type { SearchItem, SearchPlace } from '#contract/store';
import type { StreamEvent } from '#contract/watches';
import { fromStore, storeStatusError } from './store-errors.ts';
import { isSecret } from './store-secrets.ts';

export interface SearchRequest {
  readonly text: string;
  readonly place: SearchPlace;
  readonly prefix?: string;
  readonly revision?: number;
  readonly limit: number;
}

/** Keys read in one go, without values and with them. */
const keysAtOnce = 4000;
const valuesAtOnce = 400;
/** Characters of a value shown on either side of what was found. */
const contextLength = 48;

/** Looks through the store page by page at one revision, telling each match when it is found and after each page how far it is. */
export async function* searchStore(
  context: Context,
  etcd: EtcdClient,
  request: SearchRequest,
): AsyncGenerator<StreamEvent<SearchItem>> {
  yield { type: 'BOOKMARK' };
  try {
    for await (const object of new Search(etcd, request).run(context)) yield { type: 'ADDED', object };
  } catch (error) {
    if (!context.ended) yield { type: 'ERROR', status: storeStatusError(error).toStatus() };
  }
}

class Search {
  readonly #etcd: EtcdClient;
  readonly #request: SearchRequest;
  readonly #needle: string;
  readonly #decoder = new TextDecoder();
  #scanned = 0;
  #matches = 0;

  constructor(etcd: EtcdClient, request: SearchRequest) {
    this.#etcd = etcd;
    this.#request = request;
    this.#needle = request.text.toLowerCase();
  }

  async *run(context: Context): AsyncGenerator<SearchItem> {
    const { prefix = '', place, limit } = this.#request;
    const keysOnly = place === 'keys';
    const range = { rangeEnd: prefixEnd(prefix), limit: keysOnly ? keysAtOnce : valuesAtOnce, keysOnly };
    const pacer = new Pacer();
    let key = prefix === '' ? '\0' : prefix;
    let at: Revision | undefined = this.#request.revision === undefined ? undefined : revision(this.#request.revision);
    let total: number | undefined;
    for (;;) {
      const page = await fromStore(
        this.#etcd.range(context, { key, ...range, ...(at === undefined ? {} : { revision: at }) }),
      );
      at ??= page.revision;
      total ??= page.count;
      for (const kv of page.kvs) {
        this.#scanned++;
        const match = this.#match(kv);
        if (match) {
          if (this.#matches >= limit) return yield this.#progress(at, total, { done: true, more: true });
          this.#matches++;
          yield match;
        }
        if (pacer.due) await pacer.pace();
      }
      const last = page.kvs[page.kvs.length - 1];
      if (!page.more || !last) return yield this.#progress(at, total, { done: true, more: false });
      yield this.#progress(at, total, { done: false, more: false });
      key = `${last.key}\0`;
    }
  }

  #progress(at: number, total: number, end: { readonly done: boolean; readonly more: boolean }): SearchItem {
    return { kind: 'progress', revision: at, scanned: this.#scanned, total, matches: this.#matches, ...end };
  }

  #match(kv: KeyValue): SearchItem | undefined {
    const { place } = this.#request;
    const inKey = place === 'values' ? -1 : kv.key.toLowerCase().indexOf(this.#needle);
    if (inKey >= 0) return this.#found(kv, 'key', kv.key, inKey);
    if (place === 'keys') return undefined;
    const text = this.#decoder.decode(kv.value);
    const inValue = text.toLowerCase().indexOf(this.#needle);
    if (inValue < 0) return undefined;
    return isSecret(kv.key) ? this.#found(kv, 'value', '', 0) : this.#found(kv, 'value', text, inValue);
  }

  #found(kv: KeyValue, place: 'key' | 'value', text: string, at: number): SearchItem {
    const end = at + this.#needle.length;
    const all = place === 'key';
    return {
      ...{ kind: 'match', key: kv.key, modRevision: kv.modRevision, size: kv.value.byteLength, in: place },
      before: text.slice(all ? 0 : Math.max(0, at - contextLength), at),
      match: text.slice(at, end),
      after: text.slice(end, all ? undefined : end + contextLength),
    };
  }
}
