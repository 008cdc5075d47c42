import type { Container, Pod } from '#api/gen/types';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { PodSandboxStatus } from '#cri/cri';
import type { ContainerConfigBuilder } from './container-config.ts';
import type { PodEvents } from './events.ts';
import { NotYetError, runtimeErrorText, type ImageManager } from './image-manager.ts';
import { runHook } from './lifecycle-hooks.ts';
import { timings, type KubeletOptions } from './options.ts';

/** Brings one container up: image, configuration, create, start, postStart (pkg/kubelet/kuberuntime, release 1.36). */
export class ContainerStarter {
  readonly #options: KubeletOptions;
  readonly #images: ImageManager;
  readonly #configs: ContainerConfigBuilder;
  readonly #events: PodEvents;

  constructor(options: KubeletOptions, images: ImageManager, configs: ContainerConfigBuilder, events: PodEvents) {
    this.#options = options;
    this.#images = images;
    this.#configs = configs;
    this.#events = events;
  }

  /** Throws {@link NotYetError} with the reason to show when the container does not run afterwards. */
  async start(
    context: Context,
    pod: Pod,
    container: Container,
    sandbox: PodSandboxStatus,
    attempt: number,
  ): Promise<void> {
    const { runtime } = this.#options;
    await this.#images.ensure(context, pod, container);
    const podIP = sandbox.ip ?? this.#options.machine.internalIP;
    const config = await this.#configs.build(context, pod, container, podIP, attempt);
    let id: string;
    try {
      id = await runtime.createContainer(context, sandbox.id, config);
    } catch (error) {
      context.check();
      this.#events.failed(pod, container, runtimeErrorText(error));
      throw new NotYetError(
        { reason: 'CreateContainerError', message: runtimeErrorText(error) },
        timings.backoffInitialMs,
      );
    }
    this.#events.created(pod, container);
    try {
      await runtime.startContainer(context, id);
    } catch (error) {
      context.check();
      this.#events.failed(pod, container, runtimeErrorText(error));
      throw new NotYetError(
        { reason: 'RunContainerError', message: runtimeErrorText(error) },
        timings.backoffInitialMs,
      );
    }
    this.#events.started(pod, container);
    await this.#postStart(context, pod, container, id, podIP);
  }

  async #postStart(context: Context, pod: Pod, container: Container, id: string, podIP: string): Promise<void> {
    const hook = container.lifecycle?.postStart;
    if (!hook) return;
    try {
      await runHook(context, this.#options, hook, container, id, podIP);
    } catch (error) {
      context.check();
      this.#events.hookFailed(pod, container, 'PostStart', `PostStartHook failed: ${messageOf(error)}`);
      this.#events.killing(pod, container, 'FailedPostStartHook');
      await this.#options.runtime.stopContainer(context, id, 2);
      throw new NotYetError({ reason: 'PostStartHookError', message: messageOf(error) }, timings.backoffInitialMs);
    }
  }
}
