import { AsyncQueue } from '#base/async-queue';
import { formatTime, type Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { KubeObject } from '#api/machinery/object';
import type { Lab, LabSnapshot, ProgressStep, Truth } from '#contract/labs';
import { defaultSettings, type Settings } from '#contract/settings';
import type { StreamEvent } from '#contract/watches';
import type { DockerCheck } from '#contract/machines';
import type { LogChunk } from '#contract/streams';
import type { ContractHandlers } from '#host/handlers';
import { fakeDocker, FakeMachines, fakeProbe } from './fake-machines.ts';
import { FakeRewind } from './fake-rewind.ts';
import { FakeStore } from './fake-store.ts';
import { FakeTerminals } from './fake-terminal.ts';

/**
 * A scripted host for work on the UI and for its tests: objects are whatever the script puts, and nothing controls them.
 * `put` and `remove` write to a pretended store and tell every watch.
 */
export class FakeHost {
  readonly #clock: Clock;
  readonly #objects = new Map<string, { resource: string; object: KubeObject }>();
  readonly #listeners = new Set<(kind: string, event: StreamEvent<unknown>) => void>();
  readonly labs = new Map<string, Lab>();
  readonly truths = new Map<string, Truth>();
  readonly machines: FakeMachines;
  readonly #terminals = new FakeTerminals();
  readonly rewind = new FakeRewind();
  docker: DockerCheck = fakeDocker;
  settings: Settings = defaultSettings;
  readonly store: FakeStore;
  /** What the API was asked, newest last. */
  readonly asked: string[] = [];
  onCall: (name: string, request: Readonly<Record<string, unknown>>) => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
    this.store = new FakeStore(() => clock.now());
    this.machines = new FakeMachines(clock, (kind, object) => this.#tell(kind, { type: 'MODIFIED', object }));
  }

  get revision(): number {
    return this.store.revision;
  }
  set revision(value: number) {
    this.store.revision = value;
  }

  now(agoMs = 0): string {
    return formatTime(this.#clock.now() - agoMs);
  }

  setLab(lab: Lab): void {
    const type = this.labs.has(lab.name) ? 'MODIFIED' : 'ADDED';
    this.labs.set(lab.name, lab);
    this.#tell('labs', { type, object: lab });
  }

  setTruth(truth: Truth): void {
    this.truths.set(truth.id, truth);
    this.#tell('components', { type: 'MODIFIED', object: truth });
  }

  /** Writes an object under its Kubernetes key, as `user` doing `request`. */
  put(
    resource: string,
    object: KubeObject,
    user = 'kubernetes-admin',
    request = `update ${resource}`,
    causedBy?: string,
  ): void {
    const { namespace, name = '', uid = `${resource}/${namespace ?? ''}/${name}` } = object.metadata;
    const key = `/registry/${resource === 'nodes' ? 'minions' : resource}${namespace ? `/${namespace}` : ''}/${name}`;
    const revision = this.revision + 1;
    const stored: KubeObject = {
      ...object,
      metadata: { creationTimestamp: this.now(), ...object.metadata, uid, resourceVersion: String(revision) },
    };
    const record = {
      user,
      userAgent: 'fake',
      request,
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      timeMs: this.#clock.now(),
      ...(causedBy === undefined ? {} : { causedBy }),
    };
    const change = this.store.put(key, stored, record);
    const type = this.#objects.has(uid) ? 'MODIFIED' : 'ADDED';
    this.#objects.set(uid, { resource, object: stored });
    this.rewind.add({ revision, key, resource, uid, object: stored, record });
    this.#tell(`objects/${resource}`, { type, object: stored });
    this.#tell('store', { type: 'ADDED', object: change });
  }

  remove(uid: string): void {
    const found = this.#objects.get(uid);
    if (!found) return;
    this.#objects.delete(uid);
    this.#tell(`objects/${found.resource}`, { type: 'DELETED', object: found.object });
  }

  find(resource: string): readonly KubeObject[] {
    return [...this.#objects.values()].filter((one) => one.resource === resource).map((one) => one.object);
  }

  readonly handlers: ContractHandlers = {
    calls: {
      'host.info': async () => ({
        version: '0.1.0',
        home: '/home/jane/.drydock',
        platform: 'linux',
        nowMs: this.#clock.now(),
        etcdInstalled: true,
      }),
      'labs.list': async () => [...this.labs.values()],
      'lab.create': async (_context, request) => {
        const { store, ...rest } = request;
        const lab: Lab = { ...rest, phase: 'creating', steps: [], ...(store ? { store: store.kind } : {}) };
        this.setLab(lab);
        this.onCall('lab.create', { ...request });
        return lab;
      },
      'lab.start': (_context, request) => this.#called('lab.start', request, {}),
      'lab.stop': (_context, request) => this.#called('lab.stop', request, {}),
      'lab.delete': (_context, request) => this.#called('lab.delete', request, {}),
      'node.add': async (context, request) => {
        const node = request.node ?? 'worker-4';
        const texts = ['Installing containerd', 'Copying the agent', 'Joining the cluster'];
        await this.machines.runTask(context, { kind: 'node-add', subject: node }, texts);
        return this.#called('node.add', request, { node });
      },
      'node.kill': (_context, request) => this.#called('node.kill', request, {}),
      'node.start': (_context, request) => this.#called('node.start', request, {}),
      'node.delete': (_context, request) => this.#called('node.delete', request, {}),
      'etcd.kill': (_context, request) => this.#called('etcd.kill', request, {}),
      'etcd.start': (_context, request) => this.#called('etcd.start', request, {}),
      'master.kill': (_context, request) => this.#called('master.kill', request, {}),
      'master.start': (_context, request) => this.#called('master.start', request, {}),
      'api.request': async (_context, request) => {
        this.asked.push(`${request.method} ${request.path}`);
        this.onCall('api.request', { ...request });
        return { status: 200, body: {} };
      },
      'store.get': async (_context, request) => this.store.get(request),
      'store.level': async (_context, request) => this.store.level(request),
      'store.history': async (_context, request) => this.store.history(request),
      'store.leases': async () => this.store.leases(),
      'store.watchers': async () => this.store.watchers(),
      'store.status': async () => this.store.status(),
      'store.compact': async (_context, { revision }) => this.store.compact(revision),
      'store.defragment': async () => this.store.defragment(),
      ...this.rewind.calls,
      'pod.exec.input': async (_context, { session, text }) => (this.#terminals.input(session, text), {}),
      'pod.exec.resize': async (_context, { session, columns, rows }) => (
        this.#terminals.resize(session, columns, rows),
        {}
      ),
      'fault.add': async (context, { spec, forSeconds }) => {
        this.onCall('fault.add', { ...spec });
        return this.machines.addFault(context, spec, forSeconds);
      },
      'fault.heal': async (context, { id }) => (await this.machines.healFault(context, id), {}),
      'docker.check': async () => this.docker,
      'ssh.probe': async (context, { target }) => {
        await this.#clock.sleep(context, 700);
        return fakeProbe(target);
      },
      'image.load': async (context, { source }) => {
        const subject = 'name' in source ? source.name : source.file;
        const texts = this.find('nodes').map((node) => `Loading on ${node.metadata.name ?? ''}`);
        await this.machines.runTask(context, { kind: 'image-load', subject }, [`Saving ${subject}`, ...texts]);
        return {};
      },
      'snapshot.save': async (context, { lab, file }) => {
        await this.machines.runTask(context, { kind: 'snapshot-save', subject: file }, [
          'Copying the store',
          'Writing it',
        ]);
        return this.#called('snapshot.save', { lab, file }, fakeSnapshot(lab));
      },
      'snapshot.restore': async (context, { file, name = 'restored' }) => {
        await this.machines.runTask(context, { kind: 'snapshot-restore', subject: file }, [
          'Reading it',
          'Checking the store',
        ]);
        this.setLab({ name, driver: 'embedded', masters: 1, workers: 3, phase: 'stopped', steps: [] });
        return this.#called('snapshot.restore', { file, name }, { lab: name });
      },
      'snapshot.inspect': async () => fakeSnapshot('lab'),
      'settings.get': async () => this.settings,
      'settings.set': async (_context, { change }) => (this.settings = { ...this.settings, ...change }),
    },
    watches: {
      labs: (context) => this.#stream(context, 'labs', [...this.labs.values()]),
      components: (context) => this.#stream(context, 'components', [...this.truths.values()]),
      faults: (context) => this.#stream(context, 'faults', [...this.machines.faults.values()]),
      tasks: (context) => this.#stream(context, 'tasks', [...this.machines.tasks.values()]),
      ...this.rewind.watches,
      'pod.logs': (context, { pod }) => this.#logs(context, pod),
      'pod.exec': (context, request) => this.#terminals.open(context, request),
      objects: (context, { resource }) => this.#stream(context, `objects/${resource}`, this.find(resource)),
      store: (context, { fromRevision = Infinity }) =>
        this.#stream(
          context,
          'store',
          this.store.changes.filter((change) => change.revision >= fromRevision),
        ),
      'store.search': (context, request) => this.store.search(context, request),
    },
  };

  async *#logs(context: Context, pod: string): AsyncGenerator<StreamEvent<LogChunk>> {
    yield { type: 'BOOKMARK' };
    const line = (agoMs: number): string => `${this.now(agoMs)} ${pod} GET / 200 1.${agoMs % 7} ms\n`;
    const past = Array.from({ length: 30 }, (_one, index) => line(30_000 - index * 1000)).join('');
    yield { type: 'ADDED', object: { text: past } };
    while (!context.ended) {
      await this.#clock.sleep(context, 900);
      yield { type: 'ADDED', object: { text: line(0) } };
    }
  }

  #called<T>(name: string, request: object, answer: T): Promise<T> {
    this.onCall(name, { ...request });
    return Promise.resolve(answer);
  }

  #tell(kind: string, event: StreamEvent<unknown>): void {
    for (const listener of this.#listeners) listener(kind, event);
  }

  #stream<T>(context: Context, wanted: string, now: readonly T[]): AsyncIterable<StreamEvent<T>> {
    const listener = (kind: string, event: StreamEvent<unknown>): void => {
      if (kind === wanted) queue.push(event as StreamEvent<T>);
    };
    const queue = new AsyncQueue<StreamEvent<T>>(() => this.#listeners.delete(listener));
    for (const object of now) queue.push({ type: 'ADDED', object });
    queue.push({ type: 'BOOKMARK' });
    this.#listeners.add(listener);
    context.onEnd(() => {
      this.#listeners.delete(listener);
      queue.end();
    });
    return queue;
  }
}

/** The steps of a start, of which the first `done` are done. */
export function stepsUntil(done: number): readonly ProgressStep[] {
  const texts = [
    'Making certificates',
    'Starting etcd',
    'Starting the API server',
    'Starting controllers',
    'Joining 3 workers',
  ];
  return texts.map((text, index) => ({
    text,
    state: index < done ? 'done' : index === done ? 'running' : 'waiting',
    ...(index < done ? { elapsedMs: 120 + index * 70 } : {}),
  }));
}

function fakeSnapshot(lab: string): LabSnapshot {
  return { version: '0.1.0', lab, driver: 'embedded', masters: 1, workers: 3, createdAtMs: 0, files: [] };
}
