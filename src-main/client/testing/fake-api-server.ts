import type { ObjectMeta } from '#api/gen/types';
import { formatGroupVersion, type GroupVersionResource, type KubeObject, type WatchEvent } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import { AsyncQueue } from '#base/async-queue';
import type { Cause } from '#base/cause';
import { formatTime, yieldToEventLoop, type SteppedClock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { deepFreeze, jsonEqual } from '#base/freeze';
import { SeededRandom } from '#base/random';
import { RestClient, resourcePath } from '../rest-client.ts';
import type { Transport, TransportRequest } from '../transport.ts';
import { jsonPatch, mergePatch } from './fake-patch.ts';
import { parsePath, type ParsedPath } from './fake-path.ts';
import { selects } from './fake-selectors.ts';

/** One request as the server saw it. */
export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly cause: Cause | undefined;
}

interface LogRecord {
  readonly revision: number;
  readonly resource: string;
  readonly namespace: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
  readonly before: KubeObject | undefined;
}

interface OpenWatch {
  readonly path: ParsedPath;
  readonly query: Readonly<Record<string, string>>;
  readonly queue: AsyncQueue<WatchEvent>;
}

type Loose = KubeObject & {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
};

/** Kinds whose `spec` changes are counted in `metadata.generation`. */
const withGeneration = /^(apps|batch)\//;

/**
 * An API server in memory, for the tests of controllers: storage, conflicts, watches, selectors, merge and JSON patches,
 * the status subresource, finalizers, graceful deletion of assigned pods, binding, eviction and Namespace finalize. No
 * defaults, no validation, no authorisation. Time comes from the stepped clock.
 */
export class FakeApiServer implements Transport {
  readonly client = new RestClient(this);
  /** Every request in order of arrival, watches too. */
  readonly requests: FakeRequest[] = [];
  /** While false every call fails with ServiceUnavailable and open watches have ended. */
  #available = true;
  readonly #clock: SteppedClock;
  readonly #random = new SeededRandom(7);
  readonly #objects = new Map<string, KubeObject>();
  readonly #log: LogRecord[] = [];
  readonly #watches = new Set<OpenWatch>();
  readonly #reactors: ((request: TransportRequest) => StatusError | undefined)[] = [];
  #revision = 1;
  #forgottenRevision = 0;
  #activity = 0;

  constructor(clock: SteppedClock) {
    this.#clock = clock;
  }

  get revision(): number {
    return this.#revision;
  }

  set available(available: boolean) {
    this.#available = available;
    if (!available) for (const watch of this.#watches) watch.queue.end();
  }

  /** Lets `reactor` refuse requests: what it returns is thrown. */
  react(reactor: (request: TransportRequest) => StatusError | undefined): void {
    this.#reactors.push(reactor);
  }

  /** Forgets history: watches from an older revision are Expired. Open watches are ended with that error. */
  compact(): void {
    this.#forgottenRevision = this.#revision;
    this.#log.length = 0;
    const error = new StatusError('Expired', 'too old resource version');
    for (const watch of this.#watches) {
      watch.queue.push({ type: 'ERROR', object: error.toStatus() as unknown as KubeObject });
      watch.queue.end();
    }
  }

  /** Stores `object` as it is, status included, and tells watchers; replaces what was there. */
  put<T extends KubeObject>(resource: GroupVersionResource, object: T): T {
    const path = this.#pathOf(resource, object);
    const before = this.#objects.get(storageKey(path));
    const uid = object.metadata.uid ?? before?.metadata.uid ?? this.#random.uuid();
    const creationTimestamp =
      object.metadata.creationTimestamp ?? before?.metadata.creationTimestamp ?? formatTime(this.#clock.now());
    return this.#store(path, { ...object, metadata: { ...object.metadata, uid, creationTimestamp } }, before) as T;
  }

  /** Reads without a trace in `requests`. */
  get<T extends KubeObject>(resource: GroupVersionResource, key: string): T | undefined {
    const [name = '', namespace = ''] = key.split('/').reverse();
    return this.#objects.get(`${formatGroupVersion(resource)}/${resource.resource}/${namespace}/${name}`) as
      T | undefined;
  }

  all<T extends KubeObject>(resource: GroupVersionResource): readonly T[] {
    const prefix = `${formatGroupVersion(resource)}/${resource.resource}/`;
    return [...this.#objects].filter(([key]) => key.startsWith(prefix)).map(([, object]) => object as T);
  }

  /** Removes at once, whatever finalizers say: what a kubelet does in the end. */
  remove(resource: GroupVersionResource, key: string): void {
    const object = this.get(resource, key);
    if (object) this.#drop(this.#pathOf(resource, object), object);
  }

  /** Waits until nothing has been asked or told for a few turns of the event loop. */
  async settle(): Promise<void> {
    for (let quiet = 0, seen = this.#activity; quiet < 4;) {
      await yieldToEventLoop();
      quiet = seen === this.#activity ? quiet + 1 : 0;
      seen = this.#activity;
    }
  }

  /** Steps the clock, settling after every timer. */
  async step(ms: number): Promise<void> {
    await this.settle();
    await this.#clock.step(ms, () => this.settle());
  }

  async request(context: Context, request: TransportRequest): Promise<unknown> {
    this.#admit(context, request);
    await undefined;
    context.check();
    const answer = this.#answer(request);
    this.#activity++;
    return deepFreeze(answer);
  }

  async watch(context: Context, request: TransportRequest): Promise<AsyncIterable<WatchEvent>> {
    this.#admit(context, request);
    await undefined;
    const query = request.query ?? {};
    const from = Number(query['resourceVersion'] || this.#revision);
    if (from < this.#forgottenRevision) throw new StatusError('Expired', 'too old resource version');
    const queue = new AsyncQueue<WatchEvent>(() => this.#watches.delete(watch));
    const watch: OpenWatch = { path: parsePath(request.path), query, queue };
    for (const record of this.#log) if (record.revision > from) this.#tell(watch, record);
    this.#watches.add(watch);
    context.onEnd(() => {
      this.#watches.delete(watch);
      queue.fail(new CancelledError(context.endedBy ?? 'cancelled'));
    });
    return queue;
  }

  #admit(context: Context, request: TransportRequest): void {
    this.#activity++;
    context.check();
    if (!this.#available) throw new StatusError('ServiceUnavailable', 'the fake API server is down');
    this.requests.push({ method: request.method, path: request.path, body: request.body, cause: context.cause });
    for (const reactor of this.#reactors) {
      const error = reactor(request);
      if (error) throw error;
    }
  }

  #answer(request: TransportRequest): unknown {
    const path = parsePath(request.path);
    const body = deepFreeze(request.body);
    if (path.name === undefined) {
      if (request.method === 'GET') return this.#list(path, request.query ?? {});
      if (request.method === 'POST') return this.#create(path, body as KubeObject);
      if (request.method === 'DELETE') return this.#deleteCollection(path, request.query ?? {}, body);
      throw new StatusError('MethodNotAllowed', `${request.method} is not supported on a collection`);
    }
    if (request.method === 'POST') return this.#postSubresource(path, body as Loose);
    const current = this.#require(path);
    if (request.method === 'GET') return current;
    if (request.method === 'DELETE') return this.#delete(path, current, body);
    if (request.method === 'PUT') return this.#update(path, current, body as KubeObject);
    if (request.contentType === 'application/merge-patch+json') {
      return this.#update(path, current, mergePatch(current, body) as KubeObject);
    }
    if (request.contentType === 'application/json-patch+json') {
      return this.#update(path, current, jsonPatch(current, body) as KubeObject);
    }
    throw new StatusError('UnsupportedMediaType', `the fake API server does not know ${request.contentType}`);
  }

  #list(path: ParsedPath, query: Readonly<Record<string, string>>): unknown {
    const prefix = `${path.collection}/${path.namespace ? `${path.namespace}/` : ''}`;
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    const items = keys.flatMap((key) => this.#objects.get(key) ?? []).filter((object) => selects(query, object));
    return { apiVersion: path.apiVersion, kind: 'List', metadata: { resourceVersion: String(this.#revision) }, items };
  }

  #create(path: ParsedPath, draft: KubeObject): KubeObject {
    const { generateName, name = generateName ? generateName + this.#random.suffix(5) : '' } = draft.metadata;
    if (!name) throw new StatusError('Invalid', 'name or generateName is required');
    const at = { ...path, name };
    const existing = this.#objects.get(storageKey(at));
    if (existing) {
      const details = { name, group: path.group, kind: path.resource };
      throw new StatusError('AlreadyExists', `${qualified(path)} "${name}" already exists`, details);
    }
    this.#refuseInTerminatingNamespace(at);
    const metadata: ObjectMeta = {
      ...draft.metadata,
      name,
      ...(path.namespace ? { namespace: path.namespace } : {}),
      uid: this.#random.uuid(),
      creationTimestamp: formatTime(this.#clock.now()),
      ...(withGeneration.test(path.collection) ? { generation: 1 } : {}),
    };
    return this.#store(at, { ...draft, metadata }, undefined);
  }

  #update(path: ParsedPath, current: Loose, wanted: Loose): KubeObject {
    const { resourceVersion } = wanted.metadata;
    if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) {
      const text = 'the object has been modified; please apply your changes to the latest version and try again';
      throw new StatusError('Conflict', `Operation cannot be fulfilled on ${qualified(path)} "${path.name}": ${text}`);
    }
    if (wanted.metadata.uid && wanted.metadata.uid !== current.metadata.uid) {
      throw new StatusError('Conflict', `uid mismatch: the object in the precondition is not the one stored`);
    }
    const next = this.#merged(path, current, wanted);
    if (jsonEqual(next, current)) return current;
    const deleted = next.metadata.deletionTimestamp !== undefined && !next.metadata.deletionGracePeriodSeconds;
    const finalizers = [
      ...(next.metadata.finalizers ?? []),
      ...(path.resource === 'namespaces' ? finalizersOf(next) : []),
    ];
    if (deleted && finalizers.length === 0) return this.#drop(path, next);
    return this.#store(path, next, current);
  }

  /** Which parts of `wanted` count: `status` only through the status subresource, and nothing else through it. */
  #merged(path: ParsedPath, current: Loose, wanted: Loose): Loose {
    const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation } = current.metadata;
    if (path.subresource === 'finalize') return { ...current, spec: wanted.spec ?? {} };
    if (path.subresource === 'status') return { ...current, status: wanted.status ?? {} };
    const kept = { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation };
    const changed = !jsonEqual(wanted.spec, current.spec);
    const counted = withGeneration.test(path.collection) && changed ? { generation: (generation ?? 0) + 1 } : {};
    const set = Object.entries(kept).filter(([, value]) => value !== undefined);
    const { resourceVersion } = current.metadata;
    const metadata = { ...wanted.metadata, ...Object.fromEntries(set), ...counted, resourceVersion } as ObjectMeta;
    const next = { ...wanted, metadata };
    if (current.status !== undefined) return { ...next, status: current.status };
    const { status: _ignored, ...rest } = next;
    return rest;
  }

  #delete(path: ParsedPath, current: Loose, body: unknown): KubeObject {
    const options = (body ?? {}) as {
      gracePeriodSeconds?: number;
      propagationPolicy?: string;
      preconditions?: ObjectMeta;
    };
    const { uid, resourceVersion } = options.preconditions ?? {};
    if (
      (uid && uid !== current.metadata.uid) ||
      (resourceVersion && resourceVersion !== current.metadata.resourceVersion)
    ) {
      throw new StatusError('Conflict', `Precondition failed for ${qualified(path)} "${path.name}"`);
    }
    const finalizers = new Set(current.metadata.finalizers);
    if (options.propagationPolicy === 'Foreground') finalizers.add('foregroundDeletion');
    if (options.propagationPolicy === 'Orphan') finalizers.add('orphan');
    const seconds = this.#graceOf(path, current, options.gracePeriodSeconds);
    const held = finalizers.size > 0 || (path.resource === 'namespaces' && finalizersOf(current).length > 0);
    if (!held && seconds === 0) return this.#drop(path, current);
    const metadata = {
      ...current.metadata,
      ...(finalizers.size > 0 ? { finalizers: [...finalizers] } : {}),
      deletionTimestamp: current.metadata.deletionTimestamp ?? formatTime(this.#clock.now() + seconds * 1000),
      deletionGracePeriodSeconds: Math.min(seconds, current.metadata.deletionGracePeriodSeconds ?? seconds),
    };
    const next: Loose = { ...current, metadata };
    const terminating = path.resource === 'namespaces' ? { status: { phase: 'Terminating' } } : {};
    return jsonEqual(next, current) ? current : this.#store(path, { ...next, ...terminating }, current);
  }

  #graceOf(path: ParsedPath, object: Loose, asked: number | undefined): number {
    if (path.collection !== 'v1/pods' || !object.spec?.['nodeName']) return 0;
    const phase = object.status?.['phase'];
    if (phase === 'Succeeded' || phase === 'Failed') return 0;
    return asked ?? Number(object.spec['terminationGracePeriodSeconds'] ?? 30);
  }

  #deleteCollection(path: ParsedPath, query: Readonly<Record<string, string>>, body: unknown): unknown {
    const { items } = this.#list(path, query) as { items: readonly KubeObject[] };
    for (const object of items) {
      const at = { ...path, namespace: object.metadata.namespace ?? '', name: object.metadata.name ?? '' };
      this.#delete(at, object, body);
    }
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
  }

  #postSubresource(path: ParsedPath, body: Loose): unknown {
    const current: Loose = this.#require(path);
    if (path.subresource === 'binding') {
      const { target } = body as Loose & { target: { name: string } };
      if (current.spec?.['nodeName']) {
        throw new StatusError(
          'Conflict',
          `pod ${path.name} is already assigned to node "${String(current.spec['nodeName'])}"`,
        );
      }
      const conditions = [{ type: 'PodScheduled', status: 'True' }];
      const spec = { ...current.spec, nodeName: target.name };
      const bound: Loose = { ...current, spec, status: { ...current.status, conditions } };
      this.#store(path, bound, current);
    } else if (path.subresource === 'eviction') this.#delete(path, current, undefined);
    else throw new StatusError('NotFound', `the fake API server has no subresource ${path.subresource ?? ''}`);
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
  }

  #refuseInTerminatingNamespace(path: ParsedPath): void {
    const namespace = path.namespace ? this.#objects.get(`v1/namespaces//${path.namespace}`) : undefined;
    if (!namespace?.metadata.deletionTimestamp) return;
    const text = `unable to create new content in namespace ${path.namespace} because it is being terminated`;
    throw new StatusError('Forbidden', `${qualified(path)} "${path.name}" is forbidden: ${text}`, {
      causes: [{ reason: 'NamespaceTerminating', message: `namespace ${path.namespace} is being terminated` }],
    });
  }

  #require(path: ParsedPath): Loose {
    const object = this.#objects.get(storageKey(path));
    if (object) return object;
    const details = { name: path.name ?? '', group: path.group, kind: path.resource };
    throw new StatusError('NotFound', `${qualified(path)} "${path.name}" not found`, details);
  }

  #store(path: ParsedPath, object: KubeObject, before: KubeObject | undefined): KubeObject {
    const revision = ++this.#revision;
    const metadata = { ...object.metadata, resourceVersion: String(revision) };
    const stored: KubeObject = deepFreeze({ ...object, metadata });
    this.#objects.set(storageKey(path), stored);
    this.#record({ revision, type: before ? 'MODIFIED' : 'ADDED', object: stored, before, ...place(path) });
    return stored;
  }

  #drop(path: ParsedPath, last: KubeObject): KubeObject {
    const revision = ++this.#revision;
    this.#objects.delete(storageKey(path));
    const object = deepFreeze({ ...last, metadata: { ...last.metadata, resourceVersion: String(revision) } });
    this.#record({ revision, type: 'DELETED', object, before: last, ...place(path) });
    return object;
  }

  #record(record: LogRecord): void {
    this.#activity++;
    this.#log.push(record);
    for (const watch of this.#watches) this.#tell(watch, record);
  }

  /** A watcher with a selector sees objects come and go as they start and stop to match. */
  #tell(watch: OpenWatch, record: LogRecord): void {
    const { path, query, queue } = watch;
    if (path.collection !== record.resource || (path.namespace && path.namespace !== record.namespace)) return;
    const matched = record.before !== undefined && selects(query, record.before);
    const matches = record.type !== 'DELETED' && selects(query, record.object);
    if (matches) queue.push({ type: matched ? 'MODIFIED' : 'ADDED', object: record.object });
    else if (matched) queue.push({ type: 'DELETED', object: record.object });
  }

  #pathOf(resource: GroupVersionResource, object: KubeObject): ParsedPath {
    return parsePath(resourcePath(resource, object.metadata.namespace ?? '', object.metadata.name ?? ''));
  }
}

function place(path: ParsedPath): { resource: string; namespace: string } {
  return { resource: path.collection, namespace: path.namespace };
}

function storageKey(path: ParsedPath): string {
  return `${path.collection}/${path.namespace}/${path.name ?? ''}`;
}

function qualified(path: ParsedPath): string {
  return path.group ? `${path.resource}.${path.group}` : path.resource;
}

function finalizersOf(namespace: Loose): readonly string[] {
  return (namespace.spec?.['finalizers'] as readonly string[] | undefined) ?? [];
}
