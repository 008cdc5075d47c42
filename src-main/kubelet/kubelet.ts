import type { Node, Pod, Service } from '#api/gen/types';
import { LifeClock } from '#base/clock';
import { LifeComponent } from '#base/life-component';
import { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { Informer, InformerFactory } from '#client/client';
import { nodes, pods, services } from '#client/resources';
import { refusePod, type Refusal } from './admission.ts';
import { KeyedBackOff } from './back-off.ts';
import { ContainerConfigBuilder } from './container-config.ts';
import { ContainerStarter } from './container-starter.ts';
import { EnvironmentBuilder } from './environment.ts';
import { PodEvents } from './events.ts';
import { EvictionManager } from './eviction/eviction-manager.ts';
import { pressureConditions } from './eviction/signals.ts';
import type { NodeFacts } from './field-values.ts';
import { ImageManager } from './image-manager.ts';
import { ContainerLogManager } from './logs/container-log-manager.ts';
import { NodeAgent } from './node-agent.ts';
import { ObjectCache } from './object-cache.ts';
import { timings, type KubeletConfig, type KubeletOptions } from './options.ts';
import { isTerminalPhase, uidOf } from './pod-facts.ts';
import { PodKiller } from './pod-killer.ts';
import { PodStarter } from './pod-starter.ts';
import { PodWorker, type PodWorkerParts } from './pod-worker.ts';
import { Prober } from './prober.ts';
import { isCritical, qosClassOf } from './qos.ts';
import { KubeletServer } from './server.ts';
import { StatsProvider } from './stats/stats-provider.ts';
import { StatusManager } from './status-manager.ts';
import { VolumeManager } from './volumes.ts';

/**
 * The kubelet of one node (cmd/kubelet, release 1.36): registers the node, runs the pods bound to it and reports on both.
 * Containers outlive it: after a crash the next life takes over what runs.
 */
export class Kubelet extends LifeComponent<KubeletRun> {
  override readonly name: string;
  /** What the API server asks: logs, exec, attach, port-forward. */
  readonly server: KubeletServer;
  /** Figures of the node and its pods. */
  readonly stats: StatsProvider;
  readonly #options: KubeletConfig;

  constructor(options: KubeletConfig) {
    super();
    this.name = `kubelet/${options.nodeName}`;
    this.#options = options;
    const { nodeName, runtime, stats, clock } = options;
    this.stats = new StatsProvider({ nodeName, runtime, clock, pods: () => this.pods, ...(stats ? { stats } : {}) });
    this.server = new KubeletServer(
      options,
      (namespace, name) => this.life?.findWorker(namespace, name),
      () => this.life !== undefined,
    );
  }

  /** Pods of this node, each with the status that was decided on last. */
  get pods(): readonly Pod[] {
    return this.life?.pods ?? [];
  }

  protected override newLife(): KubeletRun {
    return new KubeletRun(this.#options, this.stats);
  }
}

/** One life of a kubelet, from start to stop or crash. */
class KubeletRun {
  readonly #options: KubeletOptions;
  readonly #context: Context;
  readonly #cancel: () => void;
  readonly #informers: InformerFactory;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #agent: NodeAgent;
  readonly #eviction: EvictionManager | undefined;
  readonly #parts: PodWorkerParts;
  readonly #workers = new Map<string, PodWorker>();
  /** Pods that arrived before their predecessor of the same name was gone. */
  readonly #byName = new Map<string, PodWorker>();

  constructor({ informers, ...config }: KubeletConfig, stats: StatsProvider) {
    ({ context: this.#context, cancel: this.#cancel } = Context.background().withCancel());
    const clock = new LifeClock(config.clock, this.#context);
    const options: KubeletOptions = { ...config, clock, recorder: config.recorder(this.#context) };
    this.#options = options;
    this.#informers = informers();
    const mine = { fieldSelector: `spec.nodeName=${options.nodeName}` };
    this.#pods = this.#informers.informer<Pod>(pods, mine);
    this.#nodes = this.#informers.informer<Node>(nodes, { fieldSelector: `metadata.name=${options.nodeName}` });
    this.#eviction = this.#evictionManager(stats);
    this.#agent = new NodeAgent(options, (condition) => this.#eviction?.under(condition) ?? false);
    this.#parts = this.#compose(this.#informers.informer<Service>(services));
  }

  async start(context: Context): Promise<void> {
    const registration = context.onEnd(() => {
      if (!this.#nodes.hasSynced) this.#cancel();
    });
    await this.#agent.start(this.#context);
    this.#nodes.addHandler({
      onAdd: (node) => this.#agent.observe(this.#context, node),
      onUpdate: (_before, node) => this.#agent.observe(this.#context, node),
    });
    this.#pods.addHandler({
      onAdd: (pod) => this.#add(pod),
      onUpdate: (before, pod) => this.#update(before, pod),
      onDelete: (pod) => this.#workers.get(uidOf(pod))?.remove(),
    });
    void this.#listenToRuntime();
    this.#informers.start(this.#context);
    await this.#informers.waitForSync(context);
    registration.dispose();
    await this.#removeOrphans();
    this.#keepRunning('the eviction manager', this.#eviction);
    this.#keepRunning('the container log manager', this.#logManager());
  }

  #keepRunning(what: string, manager: { run(context: Context): Promise<never> } | undefined): void {
    manager?.run(this.#context).catch((error: unknown) => {
      if (error instanceof CancelledError) return;
      this.#options.logger.error(`${what} stopped: this is a bug`, { error: messageOf(error) });
    });
  }

  /** None where the runtime keeps logs itself. */
  #logManager(): ContainerLogManager | undefined {
    const { logFiles: files, runtime, clock, logger } = this.#options;
    return files && new ContainerLogManager({ files, runtime, clock, logger: logger.named('logs') });
  }

  /** None where nobody says what the machine is doing. */
  #evictionManager(provider: StatsProvider): EvictionManager | undefined {
    const { stats, clock, logger } = this.#options;
    if (!stats) return undefined;
    return new EvictionManager({
      ...{ stats, provider, clock, logger: logger.named('eviction') },
      pods: () => [...this.#workers.values()].filter((worker) => worker.active).map(({ pod }) => pod),
      evict: (pod, message) => this.#workers.get(uidOf(pod))?.evict(message),
      changed: () => this.#agent.syncSoon(this.#context),
    });
  }

  end(): void {
    this.#cancel();
    this.#informers.stop();
  }

  get pods(): readonly Pod[] {
    return [...this.#workers.values()].map(({ pod, status }) => ({ ...pod, status }));
  }

  findWorker(namespace: string, name: string): PodWorker | undefined {
    return this.#byName.get(`${namespace}/${name}`);
  }

  #compose(serviceInformer: Informer<Service>): PodWorkerParts {
    const options = this.#options;
    const { client, clock, runtime, files, machine, recorder, random, logger } = options;
    const facts: NodeFacts = {
      hostIP: machine.internalIP,
      cpus: machine.cpus,
      memoryBytes: machine.memoryBytes,
      ephemeralStorageBytes: machine.ephemeralStorageBytes ?? 100 * 1024 ** 3,
    };
    const events = new PodEvents(recorder);
    const objects = new ObjectCache(this.#context, client, this.#informers, (kind, namespace, name) =>
      this.#refreshVolumes(kind, namespace, name),
    );
    const volumes = new VolumeManager(files, objects, client, clock, facts);
    const images = new ImageManager(runtime, events, clock, objects);
    const killer = new PodKiller(options, events);
    const prober = new Prober(this.#context, options, events, (uid) => this.#workers.get(uid)?.notify());
    const environment = new EnvironmentBuilder(objects, serviceInformer.lister, facts);
    const configs = new ContainerConfigBuilder(options, environment, volumes, events);
    const containers = new ContainerStarter(options, images, configs, events);
    const crashes = new KeyedBackOff(clock, timings.backoffInitialMs, timings.backoffMaxMs);
    return {
      context: this.#context,
      options,
      pods: client.resource<Pod>(pods),
      starter: new PodStarter({ options, containers, killer, prober, crashes, events }),
      killer,
      configs,
      prober,
      images,
      volumes,
      statuses: new StatusManager(this.#context, client, clock, random, logger.named('status')),
      events,
      runtimeName: machine.containerRuntimeVersion.split('://')[0] ?? 'simulator',
      finished: (uid) => {
        crashes.forget(`${uid}/`);
        this.#drop(uid);
      },
    };
  }

  #add(pod: Pod): void {
    const worker = new PodWorker(this.#parts, pod);
    const others = [...this.#workers.values()].filter((other) => other.active).map((other) => other.pod);
    this.#workers.set(worker.uid, worker);
    this.#byName.set(`${pod.metadata.namespace ?? ''}/${pod.metadata.name ?? ''}`, worker);
    const { node } = this.#agent;
    // A pod that was admitted by an earlier life of this kubelet stays admitted.
    const admitted = pod.status?.startTime !== undefined || isTerminalPhase(pod.status?.phase);
    const fresh = !admitted && !pod.metadata.deletionTimestamp;
    const refusal = node && fresh ? (this.#refuseUnderPressure(pod) ?? refusePod(pod, others, node)) : undefined;
    if (refusal) worker.reject(refusal.reason, refusal.message);
    else worker.notify();
  }

  /** A node that runs out of something takes only what it must (pkg/kubelet/eviction, release 1.36). */
  #refuseUnderPressure(pod: Pod): Refusal | undefined {
    if (isCritical(pod)) return undefined;
    const tolerable = qosClassOf(pod) === 'BestEffort' ? [] : ['MemoryPressure'];
    const bad = pressureConditions.filter((name) => this.#eviction?.under(name) && !tolerable.includes(name));
    return bad.length > 0 ? { reason: 'Evicted', message: `The node had condition: [${bad.join(' ')}]. ` } : undefined;
  }

  #update(before: Pod, pod: Pod): void {
    if (uidOf(before) !== uidOf(pod)) {
      this.#workers.get(uidOf(before))?.remove();
      this.#add(pod);
      return;
    }
    this.#workers.get(uidOf(pod))?.update(pod);
  }

  #drop(uid: string): void {
    const worker = this.#workers.get(uid);
    if (!worker) return;
    this.#workers.delete(uid);
    const name = `${worker.pod.metadata.namespace ?? ''}/${worker.pod.metadata.name ?? ''}`;
    if (this.#byName.get(name) === worker) this.#byName.delete(name);
  }

  #refreshVolumes(kind: 'ConfigMap' | 'Secret', namespace: string, name: string): void {
    for (const worker of this.#workers.values()) {
      const inReach = worker.pod.metadata.namespace === namespace;
      if (inReach && worker.active && VolumeManager.uses(worker.pod, kind, name)) worker.notify();
    }
  }

  /** The pod lifecycle event generator: the runtime says what changed, nothing is polled. */
  async #listenToRuntime(): Promise<void> {
    try {
      for await (const event of this.#options.runtime.getContainerEvents(this.#context)) {
        this.#workers.get(event.podSandboxMetadata.uid)?.notify();
      }
    } catch (error) {
      if (error instanceof CancelledError || this.#context.ended) return;
      this.#options.logger.error('no more events from the runtime', { error: messageOf(error) });
    }
  }

  /**
   * What is here of pods the API server no longer has goes: they were deleted while no kubelet ran. Not before the first
   * list of the API server, or a kubelet that cannot reach it would end everything.
   */
  async #removeOrphans(): Promise<void> {
    const { runtime, files } = this.#options;
    for (const sandbox of await runtime.listPodSandboxes(this.#context)) {
      if (this.#workers.has(sandbox.metadata.uid)) continue;
      await runtime.stopPodSandbox(this.#context, sandbox.id);
      await runtime.removePodSandbox(this.#context, sandbox.id);
    }
    for (const folder of ['/var/lib/kubelet/pods', '/var/log/pods']) {
      for (const name of files.list(folder)) {
        // `<uid>`, or `<namespace>_<name>_<uid>`.
        const uid = name.slice(name.lastIndexOf('_') + 1);
        if (!this.#workers.has(uid)) files.remove(`${folder}/${name}`);
      }
    }
  }
}
