import type { Context } from '#base/context';
import { StatusError } from '#api/machinery/status';
import type { CallRequest } from '#contract/calls';
import type {
  SearchItem,
  StoreBranch,
  StoreChange,
  StoreHistory,
  StoreKey,
  StoreLeases,
  StoreLevel,
  StoreStatus,
  StoreUpkeep,
  StoreValue,
  StoreWatchers,
} from '#contract/store';
import type { StreamEvent, WatchRequest } from '#contract/watches';

/** The store of a {@link FakeHost}: every version of every key, and pretended leases, watchers and members. */
export class FakeStore {
  readonly changes: StoreChange[] = [];
  readonly #values = new Map<string, StoreValue[]>();
  readonly #now: () => number;
  revision = 0;
  compactRevision = 0;
  dbSizeBytes = 3_407_872;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Writes the next revision. */
  put(key: string, value: unknown, record: StoreChange['record']): StoreChange {
    const versions = this.#values.get(key) ?? [];
    const size = JSON.stringify(value).length;
    const modRevision = ++this.revision;
    const raw = Buffer.from(JSON.stringify(value)).toString('base64');
    const written = record ? { record } : {};
    const stored = { key, value, modRevision, createRevision: versions[0]?.createRevision ?? modRevision, size, raw };
    this.#values.set(key, [...versions, { ...stored, masking: 'none', version: versions.length + 1, ...written }]);
    const created = versions.length === 0;
    const change: StoreChange = { revision: modRevision, type: 'PUT', key, size, created, ...written };
    this.changes.push(change);
    return change;
  }

  get({ key, revision }: CallRequest<'store.get'>): StoreValue {
    const found = this.#versions(key, revision).at(-1);
    if (!found) throw new StatusError('NotFound', `there is no key ${key}`);
    return found;
  }

  level({ prefix }: CallRequest<'store.level'>): StoreLevel {
    const entries = new Map<string, StoreKey | StoreBranch>();
    for (const { key, modRevision } of this.#latest(prefix)) {
      const slash = key.indexOf('/', prefix.length + 1);
      const branch = key.slice(0, slash + 1);
      const known = entries.get(branch);
      if (slash < 0) entries.set(key, { key, modRevision });
      else entries.set(branch, { prefix: branch, keys: (known && 'keys' in known ? known.keys : 0) + 1 });
    }
    return { revision: this.revision, entries: [...entries.values()] };
  }

  history({ key, before = Infinity }: CallRequest<'store.history'>): StoreHistory {
    const versions = this.#versions(key, before - 1).reverse();
    const revisions = versions.map((one) => ({ ...one, type: 'PUT' }) as const);
    return { revisions, more: false, compactRevision: this.compactRevision };
  }

  leases(): StoreLeases {
    const keys = this.#latest('/registry/events/').map((one) => one.key);
    const lease = (id: string, left: number, some: readonly string[]) => ({
      ...{ id, grantedTtlSeconds: 3660, remainingTtlSeconds: left, keys: some, keyCount: some.length },
    });
    const half = keys.length >> 1;
    const leases = [
      lease('694d81d3eb9ca018', 84, keys.slice(0, half)),
      lease('694d81d3eb9ca31c', 2912, keys.slice(half)),
    ];
    return { nowMs: this.#now(), leases, count: 2 };
  }

  watchers(): StoreWatchers {
    const sinceMs = this.#now() - 1_300_000;
    const on = (resource: string, index: number) => ({
      ...{ id: String(index), name: `kube-apiserver/master-1 ${resource}`, key: `/registry/${resource}/` },
      ...{ rangeEnd: `/registry/${resource}0`, sinceMs, events: (this.revision * (index + 3)) >> 2, lagRevisions: 0 },
    });
    const api = (resource: string, userAgent: string, user: string, index: number) => ({
      ...{ id: String(index), resource, namespace: '', user, userAgent, sinceMs, events: this.revision - index * 31 },
      queued: 0,
    });
    return {
      nowMs: this.#now(),
      complete: true,
      watchers: ['pods', 'minions', 'deployments', 'replicasets', 'events', 'leases', 'services/specs'].map(on),
      apiWatches: [
        api('pods', 'kube-scheduler/v1.36.0 (linux/amd64) drydock', 'system:kube-scheduler', 1),
        api('nodes', 'kube-scheduler/v1.36.0 (linux/amd64) drydock', 'system:kube-scheduler', 2),
        api('pods', 'kubelet/v1.36.0 (linux/amd64) drydock', 'system:node:worker-1', 3),
        api('pods', 'kubectl/v1.35.0 (linux/amd64)', 'kubernetes-admin', 4),
      ],
    };
  }

  status(): StoreStatus {
    const folder = '/home/jane/.drydock/labs/harbor-1/pki';
    const endpoint = 'https://127.0.0.1:2379';
    const { revision, compactRevision, dbSizeBytes } = this;
    const sizes = { dbSizeBytes, dbSizeInUseBytes: 1_277_952 };
    return {
      ...{ kind: 'embedded', revision, compactRevision, keys: this.#values.size, ...sizes, alarms: [] },
      members: [
        {
          ...{ id: '8e9e05c52164694d', name: 'master-1', endpoint, isLeader: true, version: '3.6.0', ...sizes },
          ...{ raftTerm: 1, raftIndex: revision },
        },
      ],
      access: {
        ...{ endpoint, ca: `${folder}/etcd-ca.crt`, cert: `${folder}/etcd-client.crt` },
        key: `${folder}/etcd-client.key`,
      },
    };
  }

  compact(at = this.revision): StoreUpkeep {
    const before = this.status();
    this.compactRevision = at;
    return { before, after: this.status(), elapsedMs: 38 };
  }

  defragment(): StoreUpkeep {
    const before = this.status();
    this.dbSizeBytes = before.dbSizeInUseBytes;
    return { before, after: this.status(), elapsedMs: 122 };
  }

  async *search(
    context: Context,
    { text, place, prefix = '', limit }: WatchRequest<'store.search'>,
  ): AsyncGenerator<StreamEvent<SearchItem>> {
    yield { type: 'BOOKMARK' };
    const all = this.#latest(prefix);
    let matches = 0;
    for (const { key, modRevision, size, value } of all) {
      const places = { key: place === 'values' ? '' : key, value: place === 'keys' ? '' : JSON.stringify(value) };
      const within = places.key.includes(text) ? 'key' : 'value';
      const at = places[within].indexOf(text);
      if (at < 0 || context.ended || matches === limit) continue;
      matches++;
      const [before, after] = [places[within].slice(0, at).slice(-48), places[within].slice(at + text.length)];
      const found = { before, match: text, after: after.slice(0, 48) };
      yield { type: 'ADDED', object: { kind: 'match', key, modRevision, size, in: within, ...found } };
    }
    const counts = { revision: this.revision, scanned: all.length, total: all.length, matches };
    yield { type: 'ADDED', object: { kind: 'progress', ...counts, done: true, more: false } };
  }

  #versions(key: string, revision = Infinity): StoreValue[] {
    return (this.#values.get(key) ?? []).filter((one) => one.modRevision <= revision);
  }

  /** The newest version of each key under `prefix`, in key order. */
  #latest(prefix: string): StoreValue[] {
    const all = [...this.#values.values()].flatMap((versions) => versions.slice(-1));
    return all.filter((one) => one.key.startsWith(prefix)).sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}
