import type { Container, Pod } from '#api/gen/types';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { ContainerStatus, DnsConfig, PodSandboxStatus } from '#cri/cri';
import type { KeyedBackOff } from './back-off.ts';
import type { ContainerStarter } from './container-starter.ts';
import type { WaitingReason } from './container-statuses.ts';
import type { PodEvents } from './events.ts';
import { NotYetError } from './image-manager.ts';
import { timings, type KubeletOptions } from './options.ts';
import { ephemeralOf, formatPod, initContainersOf, isSidecar, shouldRestart, uidOf } from './pod-facts.ts';
import type { PodKiller } from './pod-killer.ts';
import type { Prober } from './prober.ts';
import { parseResolvConf, podDns } from './pod-dns.ts';
import { podCgroup, podResources } from './qos.ts';
import { isRunning, latest, readPodView, readySandbox, type PodView } from './runtime-view.ts';
import { logDirectory, sandboxConfig } from './sandbox-config.ts';

/** How long `RunContainerError` shows before `CrashLoopBackOff` does, in milliseconds. */
const showStartErrorMs = 5_000;

/** What came of one attempt to bring a pod forward. */
export interface Progress {
  /** By container name: why it does not run. */
  readonly waiting: Map<string, WaitingReason>;
  /** Look again after so many milliseconds. */
  retryMs: number | undefined;
}

export interface PodStarterParts {
  readonly options: KubeletOptions;
  readonly containers: ContainerStarter;
  readonly killer: PodKiller;
  readonly prober: Prober;
  readonly crashes: KeyedBackOff;
  readonly events: PodEvents;
}

/** Brings a pod from what runs to what should run: sandbox, init containers, sidecars, containers. */
export class PodStarter {
  readonly #parts: PodStarterParts;
  /** By container, the failure whose back-off was announced. */
  readonly #announced = new Map<string, number>();
  /** By container, why the runtime could not start its last run. */
  readonly #startErrors = new Map<string, WaitingReason>();

  constructor(parts: PodStarterParts) {
    this.#parts = parts;
  }

  async advance(context: Context, pod: Pod, view: PodView): Promise<Progress> {
    const progress: Progress = { waiting: new Map(), retryMs: undefined };
    const sandbox = readySandbox(view) ?? (await this.#createSandbox(context, pod, view, progress));
    if (!sandbox) return progress;
    const run = { context, pod, view, sandbox, progress };
    await this.#startEphemeral(run);
    if (!(await this.#advanceInit(run))) return progress;
    for (const container of pod.spec.containers) await this.#keepRunning(run, container);
    await this.#removeOldSandboxes(context, view, sandbox);
    return progress;
  }

  /** A sandbox that is over is kept as long as the runtime has a container of it, for its log. */
  async #removeOldSandboxes(context: Context, view: PodView, current: PodSandboxStatus): Promise<void> {
    const used = new Set([...view.containers.values()].flat().map((status) => status.podSandboxId));
    for (const { id, state } of view.sandboxes) {
      if (id === current.id || state === 'SANDBOX_READY' || used.has(id)) continue;
      await this.#parts.options.runtime.removePodSandbox(context, id);
    }
  }

  forget(podUid: string): void {
    for (const known of [this.#announced, this.#startErrors])
      for (const key of known.keys()) if (key.startsWith(`${podUid}/`)) known.delete(key);
  }

  async #createSandbox(
    context: Context,
    pod: Pod,
    view: PodView,
    progress: Progress,
  ): Promise<PodSandboxStatus | undefined> {
    const { options, events, killer } = this.#parts;
    const { runtime, nodeName, clusterDNS, clusterDomain = 'cluster.local' } = options;
    if (view.sandboxes.length > 0) {
      events.pod(pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
      await killer.killPod(context, pod, view, pod.spec.terminationGracePeriodSeconds ?? 30);
    }
    try {
      const config = sandboxConfig({
        ...{ pod, nodeName, cgroupRoot: options.cgroups?.root ?? '' },
        attempt: (view.sandboxes[0]?.metadata.attempt ?? -1) + 1,
        dns: podDns(pod, { servers: clusterDNS, domain: clusterDomain, node: this.#nodeDns() }),
      });
      options.files.makeDirectory(logDirectory(pod), 0o755);
      options.cgroups?.ensurePod(podCgroup(pod), podResources(pod));
      const id = await runtime.runPodSandbox(context, config);
      return await runtime.podSandboxStatus(context, id);
    } catch (error) {
      context.check();
      const text = `Failed to create pod sandbox: rpc error: code = Unknown desc = ${messageOf(error)}`;
      events.pod(pod, 'Warning', 'FailedCreatePodSandBox', text);
      progress.retryMs = timings.backoffInitialMs;
      return undefined;
    }
  }

  /** Where systemd-resolved keeps `/etc/resolv.conf` to itself, the servers it asks are in a file of their own. */
  #nodeDns(): DnsConfig {
    const { files } = this.#parts.options;
    const text = files.readFile('/run/systemd/resolve/resolv.conf') ?? files.readFile('/etc/resolv.conf');
    return parseResolvConf(Buffer.from(text ?? []).toString('utf8'));
  }

  /** Whether the containers proper may run. */
  async #advanceInit(run: Run): Promise<boolean> {
    const begun = run.pod.spec.containers.some((container) => inSandbox(run, container.name));
    for (const container of initContainersOf(run.pod)) {
      if (isSidecar(container)) {
        await this.#keepRunning(run, container);
        const status = await this.#fresh(run, container.name);
        if (begun) continue;
        if (!isRunning(status) || !status) return false;
        if (!this.#parts.prober.started(status.id, container)) return false;
      } else if (!begun && !(await this.#initDone(run, container))) return false;
    }
    return true;
  }

  async #initDone(run: Run, container: Container): Promise<boolean> {
    const status = inSandbox(run, container.name);
    if (status?.state === 'CONTAINER_EXITED' && status.exitCode === 0) return true;
    if (isRunning(status)) return false;
    if (status && !shouldRestart(run.pod, container, status.exitCode ?? 1)) return false;
    await this.#start(run, container, status);
    return false;
  }

  async #startEphemeral(run: Run): Promise<void> {
    for (const container of ephemeralOf(run.pod)) {
      if (!latest(run.view, container.name)) await this.#start(run, container, undefined);
    }
  }

  /** Starts what does not run and should, restarts what its probes condemn. */
  async #keepRunning(run: Run, container: Container): Promise<void> {
    const { prober, killer } = this.#parts;
    const status = inSandbox(run, container.name);
    if (status && isRunning(status)) {
      const failed = prober.failed(status.id);
      if (!failed)
        return prober.watch(run.pod, container, status, run.sandbox.ip ?? this.#parts.options.machine.internalIP);
      const why = `Container ${container.name} failed ${failed} probe, will be restarted`;
      prober.forget(status.id);
      const probe = failed === 'startup' ? container.startupProbe : container.livenessProbe;
      const grace = probe?.terminationGracePeriodSeconds ?? run.pod.spec.terminationGracePeriodSeconds ?? 30;
      await killer.killContainer(run.context, run.pod, status, grace, why);
      return;
    }
    if (status && !shouldRestart(run.pod, container, status.exitCode ?? 1)) return;
    await this.#start(run, container, status);
  }

  async #start(run: Run, container: Container, last: ContainerStatus | undefined): Promise<void> {
    const { crashes, containers, options } = this.#parts;
    const key = `${uidOf(run.pod)}/${container.name}`;
    if (last?.state === 'CONTAINER_EXITED') {
      const failedMs = last.finishedAtMs ?? options.clock.now();
      const leftMs = crashes.remaining(key, failedMs);
      if (leftMs > 0) return this.#backOff(run, container, key, failedMs, leftMs);
      crashes.next(key, failedMs);
    }
    this.#startErrors.delete(key);
    try {
      await this.#removeOldRuns(run, container);
      await containers.start(run.context, run.pod, container, run.sandbox, attemptOf(run, container.name));
    } catch (error) {
      if (!(error instanceof NotYetError)) throw error;
      if (error.waiting.reason === 'RunContainerError') this.#startErrors.set(key, error.waiting);
      this.#wait(run, container, error);
    }
  }

  /** What a failed start said stays to be read for a moment before the back-off takes its place. */
  #backOff(run: Run, container: Container, key: string, failedMs: number, leftMs: number): void {
    const { crashes, options, events } = this.#parts;
    if (this.#announced.get(key) !== failedMs) events.crashBackOff(run.pod, container);
    this.#announced.set(key, failedMs);
    const startError = this.#startErrors.get(key);
    const shownMs = failedMs + showStartErrorMs - options.clock.now();
    if (startError && shownMs > 0) {
      this.#wait(run, container, new NotYetError(startError, Math.min(leftMs, shownMs)));
      return;
    }
    const seconds = formatSeconds(crashes.delay(key));
    const message = `back-off ${seconds} restarting failed container=${container.name} pod=${formatPod(run.pod)}`;
    this.#wait(run, container, new NotYetError({ reason: 'CrashLoopBackOff', message }, leftMs));
  }

  #wait(run: Run, container: Container, error: NotYetError): void {
    run.progress.waiting.set(container.name, error.waiting);
    if (error.retryMs === undefined) return;
    run.progress.retryMs = Math.min(run.progress.retryMs ?? Infinity, error.retryMs);
  }

  /** Keeps one dead run of each container, for its log and its last state. */
  async #removeOldRuns(run: Run, container: Container): Promise<void> {
    for (const status of (run.view.containers.get(container.name) ?? []).slice(1)) {
      if (!isRunning(status)) await this.#parts.options.runtime.removeContainer(run.context, status.id);
    }
  }

  async #fresh(run: Run, name: string): Promise<ContainerStatus | undefined> {
    return latest(await readPodView(run.context, this.#parts.options.runtime, uidOf(run.pod)), name);
  }
}

interface Run {
  readonly context: Context;
  readonly pod: Pod;
  readonly view: PodView;
  readonly sandbox: PodSandboxStatus;
  readonly progress: Progress;
}

/** The latest run of a container in the sandbox that is ready now. */
function inSandbox(run: Run, name: string): ContainerStatus | undefined {
  const status = latest(run.view, name);
  return status?.podSandboxId === run.sandbox.id ? status : undefined;
}

/** One more than the last attempt the runtime, or else the API, knows of. */
function attemptOf(run: Run, name: string): number {
  const known = latest(run.view, name);
  if (known) return known.metadata.attempt + 1;
  const { containerStatuses = [], initContainerStatuses = [] } = run.pod.status ?? {};
  const before = [...containerStatuses, ...initContainerStatuses].find((status) => status.name === name);
  return before?.containerID ? before.restartCount + 1 : 0;
}

function formatSeconds(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`;
}
