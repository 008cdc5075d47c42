import type { Container, Pod } from '#api/gen/types';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { ContainerStatus } from '#cri/cri';
import type { PodEvents } from './events.ts';
import { runHook } from './lifecycle-hooks.ts';
import type { KubeletOptions } from './options.ts';
import { findContainer, initContainersOf, isSidecar } from './pod-facts.ts';
import { runningContainers, type PodView } from './runtime-view.ts';

/** The least time SIGTERM gets before SIGKILL, in seconds, whatever the grace period leaves. */
const minimumGraceSeconds = 2;

/** Ends containers in order: preStop, SIGTERM, SIGKILL (pkg/kubelet/kuberuntime, release 1.36). */
export class PodKiller {
  readonly #options: KubeletOptions;
  readonly #events: PodEvents;

  constructor(options: KubeletOptions, events: PodEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** The containers first, all at once; then the sidecars, last started first; then the sandbox. */
  async killPod(context: Context, pod: Pod, view: PodView, graceSeconds: number): Promise<void> {
    const { clock, runtime } = this.#options;
    const deadlineMs = clock.now() + graceSeconds * 1000;
    const left = (): number => Math.max(0, Math.ceil((deadlineMs - clock.now()) / 1000));
    const running = runningContainers(view);
    const sidecarNames = initContainersOf(pod)
      .filter(isSidecar)
      .map((container) => container.name);
    const mains = running.filter((status) => !sidecarNames.includes(status.metadata.name));
    await Promise.all(mains.map((status) => this.killContainer(context, pod, status, graceSeconds)));
    for (const name of [...sidecarNames].reverse()) {
      for (const status of running.filter((item) => item.metadata.name === name)) {
        await this.killContainer(context, pod, status, left());
      }
    }
    for (const sandbox of view.sandboxes) await runtime.stopPodSandbox(context, sandbox.id);
  }

  async killContainer(
    context: Context,
    pod: Pod,
    status: ContainerStatus,
    graceSeconds: number,
    why = '',
  ): Promise<void> {
    const { clock, runtime } = this.#options;
    const container = findContainer(pod, status.metadata.name);
    const startedMs = clock.now();
    if (container) {
      this.#events.killing(pod, container, why);
      if (graceSeconds > 0) await this.#preStop(context, pod, container, status, graceSeconds);
    }
    const leftSeconds = graceSeconds - (clock.now() - startedMs) / 1000;
    await runtime.stopContainer(context, status.id, Math.max(minimumGraceSeconds, leftSeconds));
  }

  async #preStop(
    context: Context,
    pod: Pod,
    container: Container,
    status: ContainerStatus,
    graceSeconds: number,
  ): Promise<void> {
    const hook = container.lifecycle?.preStop;
    if (!hook) return;
    const { context: limited, cancel } = context.withTimeout(this.#options.clock, graceSeconds * 1000);
    try {
      const podIP = pod.status?.podIP ?? this.#options.machine.internalIP;
      await runHook(limited, this.#options, hook, container, status.id, podIP);
    } catch (error) {
      context.check();
      if (limited.endedBy !== 'deadline') {
        this.#events.hookFailed(pod, container, 'PreStop', `PreStopHook failed: ${messageOf(error)}`);
      }
    } finally {
      cancel();
    }
  }
}
