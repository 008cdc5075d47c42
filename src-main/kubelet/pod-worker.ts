import type { Container, Pod, PodStatus } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { CancelledError, messageOf } from '#base/errors';
import { jsonEqual } from '#base/freeze';
import type { ResourceClient } from '#client/client';
import { answering } from './cause.ts';
import type { ContainerConfigBuilder } from './container-config.ts';
import type { WaitingReason } from './container-statuses.ts';
import type { PodEvents } from './events.ts';
import type { ImageManager } from './image-manager.ts';
import { timings, type KubeletOptions } from './options.ts';
import { allContainers, initContainersOf, isSidecar, isTerminalPhase, shouldRestart, uidOf } from './pod-facts.ts';
import type { PodKiller } from './pod-killer.ts';
import type { PodStarter, Progress } from './pod-starter.ts';
import { buildPodStatus } from './pod-status.ts';
import type { Prober } from './prober.ts';
import { podCgroup } from './qos.ts';
import { emptyView, isRunning, latest, readPodView, type PodView } from './runtime-view.ts';
import { logDirectory } from './sandbox-config.ts';
import type { StatusManager } from './status-manager.ts';
import { TerminationMessages } from './termination-messages.ts';
import { VolumeError, type VolumeManager } from './volumes.ts';

export interface PodWorkerParts {
  readonly context: Context;
  readonly options: KubeletOptions;
  readonly pods: ResourceClient<Pod>;
  readonly starter: PodStarter;
  readonly killer: PodKiller;
  readonly configs: ContainerConfigBuilder;
  readonly prober: Prober;
  readonly images: ImageManager;
  readonly volumes: VolumeManager;
  readonly statuses: StatusManager;
  readonly events: PodEvents;
  readonly runtimeName: string;
  /** The worker has nothing more to do and can be dropped. */
  readonly finished: (uid: string) => void;
}

interface Failure {
  readonly reason: string;
  readonly message: string;
  /** Instead of the pod's own, in seconds. */
  readonly graceSeconds?: number;
}

/** What containers get when the node cannot wait. */
const evictionGraceSeconds = 1;

/**
 * The life of one pod on this node (pkg/kubelet/pod_workers.go, release 1.36): running -> terminating -> terminated ->
 * gone. One `sync` runs at a time; what happens meanwhile asks for one more.
 */
export class PodWorker {
  readonly uid: string;
  readonly #parts: PodWorkerParts;
  readonly #seenMs: number;
  #pod: Pod;
  #view: PodView = emptyView;
  #syncing = false;
  #again = false;
  #timer: Disposable | undefined;
  #deadline: Disposable | undefined;
  #cancelStart: (() => void) | undefined;
  #failure: Failure | undefined;
  #removed = false;
  #phase: 'running' | 'terminating' | 'terminated' | 'gone' = 'running';
  #graceSeconds = Infinity;
  #volumeRetryMs = 500;
  #waiting: ReadonlyMap<string, WaitingReason> = new Map();
  readonly #messages: TerminationMessages;
  #probed: readonly string[] = [];

  constructor(parts: PodWorkerParts, pod: Pod) {
    this.#parts = parts;
    this.#pod = pod;
    this.uid = uidOf(pod);
    this.#seenMs = parts.options.clock.now();
    this.#messages = new TerminationMessages({ ...parts, changed: () => this.notify() });
    if (isTerminalPhase(pod.status?.phase)) this.#phase = 'terminating';
    this.#watchDeadline();
  }

  get pod(): Pod {
    return this.#pod;
  }

  get view(): PodView {
    return this.#view;
  }

  /** The status decided on last. */
  get status(): PodStatus {
    return this.#parts.statuses.get(this.uid) ?? this.#pod.status ?? {};
  }

  /** Whether it still holds resources of the node. */
  get active(): boolean {
    return this.#phase === 'running' || this.#phase === 'terminating';
  }

  /** The pod changed. */
  update(pod: Pod): void {
    const before = this.#pod;
    this.#pod = pod;
    this.#parts.statuses.observe(pod);
    if (pod.metadata.deletionTimestamp) this.#cancelStart?.();
    // Most updates are the echo of a status this kubelet wrote.
    if (!jsonEqual(concern(before), concern(pod)) || (pod.spec.readinessGates ?? []).length > 0) this.notify();
  }

  /** The pod is gone from the API server: nothing is reported any more. */
  remove(): void {
    this.#removed = true;
    this.#cancelStart?.();
    this.notify();
  }

  /** Refuses the pod for good (pkg/kubelet/lifecycle, release 1.36). */
  reject(reason: string, message: string): void {
    this.#parts.events.pod(this.#pod, 'Warning', reason, message);
    this.#failure = { reason, message: `Pod was rejected: ${message}` };
    this.notify();
  }

  /** Ends the pod for good because the node runs out of something (pkg/kubelet/eviction, release 1.36). */
  evict(message: string): void {
    this.#parts.events.pod(this.#pod, 'Warning', 'Evicted', message);
    this.#failure = { reason: 'Evicted', message, graceSeconds: evictionGraceSeconds };
    this.#cancelStart?.();
    this.notify();
  }

  /** Something about the pod may have changed: look soon. */
  notify(): void {
    if (this.#parts.context.ended || this.#phase === 'gone') return;
    if (this.#syncing) {
      this.#again = true;
      return;
    }
    this.#syncing = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      do {
        this.#again = false;
        this.#timer?.dispose();
        await this.#sync();
      } while (this.#again && !this.#parts.context.ended);
    } catch (error) {
      if (!(error instanceof CancelledError)) this.#failed(error);
      else if (!this.#parts.context.ended) this.#again = true;
    } finally {
      this.#syncing = false;
      if (this.#again) this.notify();
    }
  }

  #failed(error: unknown): void {
    const { options } = this.#parts;
    options.logger.warn('pod not synced', { pod: this.#pod.metadata.name, error: messageOf(error) });
    this.#retryAfter(timings.backoffInitialMs);
  }

  #retryAfter(milliseconds: number): void {
    this.#timer?.dispose();
    this.#timer = this.#parts.options.clock.setTimer(milliseconds, () => this.notify());
  }

  async #sync(): Promise<void> {
    const { context, options } = this.#parts;
    this.#view = await readPodView(context, options.runtime, this.uid);
    this.#messages.note(this.#pod, this.#view);
    const mustEnd = this.#removed || this.#failure !== undefined || this.#pod.metadata.deletionTimestamp !== undefined;
    if (this.#phase === 'running' && (mustEnd || this.#isComplete())) this.#phase = 'terminating';
    if (this.#phase === 'running') return this.#syncRunning();
    if (this.#phase === 'terminating') return this.#syncTerminating();
    if (this.#phase === 'terminated') return this.#finish();
  }

  /** Every container has ended for good. */
  #isComplete(): boolean {
    const pod = this.#pod;
    const known = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
    const done = (container: Container): boolean => {
      const status = latest(this.#view, container.name);
      const lost = !status && known.some((item) => item.name === container.name && item.containerID);
      if (lost) return !isSidecar(container) && !shouldRestart(pod, container, 137);
      return status?.state === 'CONTAINER_EXITED' && !shouldRestart(pod, container, status.exitCode ?? 1);
    };
    const initFailed = initContainersOf(pod).some((container) => {
      return !isSidecar(container) && done(container) && latest(this.#view, container.name)?.exitCode !== 0;
    });
    return initFailed || pod.spec.containers.every(done);
  }

  async #syncRunning(): Promise<void> {
    const { volumes, events, starter } = this.#parts;
    // Before the report: what ran before this kubelet did is as ready as it was.
    this.#watchProbes();
    this.#report('may-wait');
    const { context, cancel } = this.#parts.context.withCancel();
    this.#cancelStart = cancel;
    try {
      await volumes.mount(context, this.#pod);
      this.#volumeRetryMs = 500;
      const progress = await starter.advance(context, this.#pod, this.#view);
      await this.#settle(progress);
    } catch (error) {
      if (!(error instanceof VolumeError)) throw error;
      events.pod(this.#pod, 'Warning', 'FailedMount', error.message);
      this.#retryAfter(this.#volumeRetryMs);
      this.#volumeRetryMs = Math.min(122_000, this.#volumeRetryMs * 2);
    } finally {
      this.#cancelStart = undefined;
      cancel();
    }
  }

  /** Reports what came of an attempt, and looks again when it asks for that. */
  async #settle(progress: Progress): Promise<void> {
    const { context, options } = this.#parts;
    this.#waiting = progress.waiting;
    this.#view = await readPodView(context, options.runtime, this.uid);
    this.#watchProbes();
    this.#report('now');
    this.#retryAfter(Math.min(progress.retryMs ?? Infinity, timings.resyncMs));
  }

  #watchProbes(): void {
    const { prober, options } = this.#parts;
    const running: string[] = [];
    const podIP = this.#view.sandboxes[0]?.ip ?? options.machine.internalIP;
    for (const container of allContainers(this.#pod)) {
      const status = latest(this.#view, container.name);
      if (!status || !isRunning(status)) continue;
      running.push(status.id);
      if (prober.failed(status.id) === undefined) prober.watch(this.#pod, container, status, podIP);
    }
    prober.keepOnly(this.#probed, new Set(running));
    this.#probed = running;
  }

  /** Kills what runs, once for each grace period shorter than the last; reports as containers end. */
  async #syncTerminating(): Promise<void> {
    const grace = this.#graceInForce();
    this.#report('now');
    if (grace >= this.#graceSeconds) return;
    const first = this.#graceSeconds === Infinity;
    this.#graceSeconds = grace;
    const killing = this.#kill(grace);
    if (first) {
      killing.then(
        () => {
          this.#phase = 'terminated';
          this.notify();
        },
        (error: unknown) => {
          this.#graceSeconds = Infinity;
          if (!(error instanceof CancelledError)) this.#failed(error);
        },
      );
    } else killing.catch((error: unknown) => error instanceof CancelledError || this.#failed(error));
  }

  async #kill(graceSeconds: number): Promise<void> {
    const { killer, prober, context } = this.#parts;
    for (const id of this.#probed) if (!this.#pod.metadata.deletionTimestamp) prober.forget(id);
    await killer.killPod(context, this.#pod, this.#view, graceSeconds);
  }

  #graceInForce(): number {
    const { metadata, spec } = this.#pod;
    const grace = metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30;
    return Math.min(grace, this.#removed ? 2 : Infinity, this.#failure?.graceSeconds ?? Infinity);
  }

  /** Everything has ended: the last report, then the pod goes from the API server if it was to be deleted. */
  async #finish(): Promise<void> {
    const { context, options, statuses, volumes, prober } = this.#parts;
    for (const id of this.#probed) prober.forget(id);
    this.#probed = [];
    this.#deadline?.dispose();
    if (!this.#removed) {
      this.#report('now');
      if (!this.#pod.metadata.deletionTimestamp) return;
      await statuses.flush(this.uid);
      await this.#deleteFromApi(context);
    }
    this.#phase = 'gone';
    for (const sandbox of this.#view.sandboxes) await options.runtime.removePodSandbox(context, sandbox.id);
    volumes.unmount(this.#pod);
    options.files.remove(logDirectory(this.#pod));
    options.cgroups?.removePod(podCgroup(this.#pod));
    this.#parts.images.forget(this.uid);
    this.#parts.starter.forget(this.uid);
    statuses.forget(this.uid);
    this.#timer?.dispose();
    this.#parts.finished(this.uid);
  }

  async #deleteFromApi(context: Context): Promise<void> {
    const { namespace = '', name = '' } = this.#pod.metadata;
    try {
      await answering(context, this.#parts.options.random, this.#pod, (caused) =>
        this.#parts.pods.delete(caused, namespace, name, { gracePeriodSeconds: 0, preconditions: { uid: this.uid } }),
      );
    } catch (error) {
      if (!isStatus(error, 'NotFound', 'Conflict')) throw error;
    }
  }

  #report(urgency: 'now' | 'may-wait'): void {
    if (this.#removed) return;
    const { options, statuses, prober, runtimeName } = this.#parts;
    const failure = this.#failure;
    const status = buildPodStatus({
      pod: this.#podAsDecided(),
      view: this.#view,
      waiting: this.#waiting,
      probes: prober,
      messages: this.#messages.byContainer,
      runtimeName,
      stopping: this.#phase === 'terminating' || this.#phase === 'terminated',
      hostIP: options.machine.internalIP,
      seenMs: this.#seenMs,
      nowMs: options.clock.now(),
      ...(failure && this.#phase === 'terminated' ? { failure } : {}),
    });
    statuses.set(this.#pod, status, urgency);
  }

  /** The pod with the status decided on last, which the watch may not have brought back yet. */
  #podAsDecided(): Pod {
    const decided = this.#parts.statuses.get(this.uid);
    const conditions = this.#pod.status?.conditions;
    return decided
      ? { ...this.#pod, status: { ...this.#pod.status, ...decided, ...(conditions ? { conditions } : {}) } }
      : this.#pod;
  }

  #watchDeadline(): void {
    const { activeDeadlineSeconds } = this.#pod.spec;
    if (activeDeadlineSeconds === undefined) return;
    const { clock } = this.#parts.options;
    const startMs = this.#pod.status?.startTime ? Date.parse(this.#pod.status.startTime) : this.#seenMs;
    this.#deadline = clock.setTimer(startMs + activeDeadlineSeconds * 1000 - clock.now(), () => {
      if (this.#phase !== 'running') return;
      const message = 'Pod was active on the node longer than the specified deadline';
      this.#parts.events.pod(this.#pod, 'Normal', 'DeadlineExceeded', message);
      this.#failure = { reason: 'DeadlineExceeded', message };
      this.notify();
    });
  }
}

/** The parts of a pod that call for work when they change. */
function concern(pod: Pod): unknown {
  const { deletionTimestamp, deletionGracePeriodSeconds, labels, annotations } = pod.metadata;
  return { spec: pod.spec, deletionTimestamp, deletionGracePeriodSeconds, labels, annotations };
}
