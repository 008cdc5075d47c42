import type {
  CoreV1Event,
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  Lease,
  Node,
  Pod,
  ReplicaSet,
  Service,
  StatefulSet,
} from '#api/gen/types';
import type { Fault } from '#contract/faults';
import type { ComponentTruth, MachineTruth } from '#contract/labs';
import type { Connection } from '../ipc/connection.ts';
import { cutFromApi, nodeFaults } from './models/fault.view-model.ts';
import { controlPlaneHealth } from './models/master.view-model.ts';
import { labHealth, nodeHealth, type NodeHealth } from './models/node.view-model.ts';
import { HueAllocator, ownerOf, type Owner } from './models/owner.view-model.ts';
import { isFinished, isReady, isRefused } from './models/pod.view-model.ts';
import { epochOf } from './models/time.view-model.ts';
import { Objects } from './objects.svelte.ts';
import { PastStore } from './past-store.svelte.ts';
import { Reflector } from './reflector.svelte.ts';
import { Rewind } from './rewind.svelte.ts';
import { StoreStream } from './store-stream.svelte.ts';
import type { Ticker } from './ticker.svelte.ts';

const defaultMonitorGraceMs = 50_000;
const unscheduledWorthALookMs = 3000;

/** A worker as the map shows it: what the API server says, and what is really there. */
export interface Worker {
  readonly name: string;
  readonly node: Node | undefined;
  readonly machine: MachineTruth | undefined;
  readonly health: NodeHealth;
  readonly lease: Lease | undefined;
  readonly pods: readonly Pod[];
  /** What is broken on it on purpose, beside links. */
  readonly faults: readonly Fault[];
}

/** One running lab, as its streams tell it. Start it when it is shown, stop it when it is not. */
export class LabState {
  readonly name: string;
  readonly rewind: Rewind;
  readonly nodes: Objects<Node>;
  readonly pods: Objects<Pod>;
  readonly deployments: Objects<Deployment>;
  readonly replicaSets: Objects<ReplicaSet>;
  readonly statefulSets: Objects<StatefulSet>;
  readonly daemonSets: Objects<DaemonSet>;
  readonly jobs: Objects<Job>;
  readonly cronJobs: Objects<CronJob>;
  readonly services: Objects<Service>;
  readonly events: Objects<CoreV1Event>;
  readonly leases: Objects<Lease>;
  readonly truths: Reflector<'components'>;
  readonly #faults: Reflector<'faults'>;
  readonly #tasks: Reflector<'tasks'>;
  readonly #liveStore: StoreStream;
  readonly #pastStore: PastStore;
  readonly #ticker: Ticker;
  readonly #hues = new HueAllocator();
  readonly #all: readonly { start(): void; stop(): void }[];

  constructor(connection: Connection, name: string, ticker: Ticker) {
    this.name = name;
    this.#ticker = ticker;
    this.rewind = new Rewind(connection, name, ticker);
    const source = { connection, lab: name, rewind: this.rewind };
    this.nodes = new Objects(source, 'v1', 'nodes');
    this.pods = new Objects(source, 'v1', 'pods');
    this.deployments = new Objects(source, 'apps/v1', 'deployments');
    this.replicaSets = new Objects(source, 'apps/v1', 'replicasets');
    this.statefulSets = new Objects(source, 'apps/v1', 'statefulsets');
    this.daemonSets = new Objects(source, 'apps/v1', 'daemonsets');
    this.jobs = new Objects(source, 'batch/v1', 'jobs');
    this.cronJobs = new Objects(source, 'batch/v1', 'cronjobs');
    this.services = new Objects(source, 'v1', 'services');
    this.events = new Objects(source, 'v1', 'events');
    this.leases = new Objects(source, 'coordination.k8s.io/v1', 'leases', 'kube-node-lease');
    this.truths = new Reflector(connection, 'components', { lab: name }, (truth) => truth.id);
    this.#faults = new Reflector(connection, 'faults', { lab: name }, (fault) => fault.id);
    this.#tasks = new Reflector(connection, 'tasks', { lab: name }, (task) => task.id);
    this.#liveStore = new StoreStream(connection, name);
    this.#pastStore = new PastStore(connection, name, this.rewind, () => this.#liveStore.access);
    const workloads = [
      this.deployments,
      this.replicaSets,
      this.statefulSets,
      this.daemonSets,
      this.jobs,
      this.cronJobs,
    ];
    const rest = [
      this.nodes,
      this.pods,
      this.services,
      this.events,
      this.leases,
      this.truths,
      this.#faults,
      this.#tasks,
      this.#liveStore,
    ];
    this.#all = [...rest, ...workloads];
  }

  start(): void {
    for (const stream of this.#all) stream.start();
  }

  stop(): void {
    this.rewind.hide();
    for (const stream of this.#all) stream.stop();
  }

  /** The store as it is, or as it was. */
  get store(): StoreStream | PastStore {
    return this.rewind.active ? this.#pastStore : this.#liveStore;
  }

  readonly synced = $derived.by(() => this.nodes.synced && this.pods.synced && this.truths.synced);

  /** Newest first; also those that have healed or failed a short while ago. Of now only: none while the past is shown. */
  readonly faults = $derived.by(() =>
    this.rewind.active ? [] : [...this.#faults.items.values()].sort((a, b) => b.sinceMs - a.sinceMs),
  );

  /** Newest first. */
  readonly tasks = $derived.by(() => [...this.#tasks.items.values()].sort((a, b) => b.sinceMs - a.sinceMs));

  /** What is really there, which is known of now only: nothing while the past is shown. */
  readonly machines = $derived.by(() => {
    const truths = this.rewind.active ? [] : [...this.truths.items.values()];
    return new Map(truths.flatMap((one) => (one.kind === 'machine' ? [[one.name, one] as const] : [])));
  });

  readonly #presentComponents = $derived.by(() => {
    return [...this.truths.items.values()].flatMap((one): ComponentTruth[] => (one.kind === 'component' ? [one] : []));
  });

  /** As {@link machines}. */
  readonly components = $derived.by(() => (this.rewind.active ? [] : this.#presentComponents));

  readonly masters = $derived.by(() =>
    [...this.machines.values()]
      .filter((machine) => machine.role === 'master')
      .sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true })),
  );

  readonly podsByNode = $derived.by(() => {
    const byNode = new Map<string, Pod[]>();
    for (const pod of this.pods.list) {
      const name = pod.spec?.nodeName ?? '';
      const there = byNode.get(name);
      if (there) there.push(pod);
      else byNode.set(name, [pod]);
    }
    return byNode;
  });

  /** Pods that no node has yet, once they are worth a look: refused by the scheduler, or waiting for more than a moment. */
  readonly unscheduled = $derived.by(() => {
    const sinceMs = this.#ticker.nowMs - unscheduledWorthALookMs;
    return (this.podsByNode.get('') ?? []).filter(
      (pod) => !isFinished(pod) && (isRefused(pod) || (epochOf(pod.metadata.creationTimestamp) ?? 0) < sinceMs),
    );
  });

  readonly workers = $derived.by((): readonly Worker[] => {
    const nodes = new Map(this.nodes.list.map((node) => [node.metadata?.name ?? '', node]));
    const leases = new Map(this.leases.list.map((lease) => [lease.metadata?.name ?? '', lease]));
    const names = new Set([...nodes.keys(), ...this.machines.keys()]);
    return [...names]
      .filter((name) => this.machines.get(name)?.role !== 'master')
      .sort((a, b) => a.localeCompare(b, undefined, { numeric: true }))
      .map((name) => ({
        name,
        node: nodes.get(name),
        machine: this.machines.get(name),
        health: nodeHealth(nodes.get(name), this.machines.get(name), this.#ticker.nowMs, cutFromApi(this.faults, name)),
        faults: nodeFaults(this.faults, name),
        lease: leases.get(name),
        pods: this.podsByNode.get(name) ?? [],
      }));
  });

  readonly health = $derived.by(() => {
    return labHealth(
      this.workers.map((worker) => worker.health),
      controlPlaneHealth(this.masters, this.components),
    );
  });

  readonly availability = $derived.by(() => {
    const wanted = this.pods.list.filter((pod) => !isFinished(pod) && !pod.metadata?.deletionTimestamp);
    const gone = (pod: Pod): boolean => this.isGone(pod.spec?.nodeName);
    return { available: wanted.filter((pod) => isReady(pod) && !gone(pod)).length, wanted: wanted.length };
  });

  /** kube-controller-manager's own setting when it tells it, else upstream's default (release 1.36). */
  readonly monitorGraceMs = $derived.by(() => {
    const manager = this.#presentComponents.find((one) => one.component === 'kube-controller-manager');
    return manager?.metrics['nodeMonitorGraceMs'] ?? defaultMonitorGraceMs;
  });

  isGone(nodeName: string | undefined): boolean {
    const state = this.machines.get(nodeName ?? '')?.state;
    return state === 'killed' || state === 'stopped' || state === 'paused';
  }

  ownerOf(pod: Pod): Owner {
    return ownerOf(pod, (uid) => this.replicaSets.get(uid));
  }

  /** Degrees; undefined, which is grey, for the system's own pods, and until it is known whose ReplicaSet it is. */
  hueOf(pod: Pod): number | undefined {
    const owner = this.ownerOf(pod);
    if (pod.metadata.namespace === 'kube-system') return undefined;
    return owner.kind === 'ReplicaSet' && !this.replicaSets.get(owner.uid) ? undefined : this.#hues.hueOf(owner.uid);
  }

  hueOfOwner(uid: string): number {
    return this.#hues.hueOf(uid);
  }
}
