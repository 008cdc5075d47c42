import type { Container, Pod } from '#api/gen/types';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { ContainerConfig, Mount } from '#cri/cri';
import { expandReferences, type EnvironmentBuilder } from './environment.ts';
import type { PodEvents } from './events.ts';
import { hostsFile, nodeHostsFile } from './hosts-file.ts';
import { NotYetError } from './image-manager.ts';
import { timings, type KubeletOptions } from './options.ts';
import { hostnameOf, uidOf } from './pod-facts.ts';
import { containerResources } from './qos.ts';
import { runtimeLabels } from './runtime-view.ts';
import { logDirectory } from './sandbox-config.ts';
import { containerSecurity, nonRootProblem, runAsUserOf } from './security-context.ts';
import type { VolumeManager } from './volumes.ts';

const terminationMessagePath = '/dev/termination-log';

const propagations: Readonly<Record<string, NonNullable<Mount['propagation']>>> = {
  None: 'PRIVATE',
  HostToContainer: 'HOST_TO_CONTAINER',
  Bidirectional: 'BIDIRECTIONAL',
};

/** Turns what a pod's spec says of a container into what the runtime is asked for (pkg/kubelet/kuberuntime, release 1.36). */
export class ContainerConfigBuilder {
  readonly #options: KubeletOptions;
  readonly #environment: EnvironmentBuilder;
  readonly #volumes: VolumeManager;
  readonly #events: PodEvents;

  constructor(options: KubeletOptions, environment: EnvironmentBuilder, volumes: VolumeManager, events: PodEvents) {
    this.#options = options;
    this.#environment = environment;
    this.#volumes = volumes;
    this.#events = events;
  }

  /** Throws {@link NotYetError} CreateContainerConfigError for what cannot be resolved. */
  async build(
    context: Context,
    pod: Pod,
    container: Container,
    podIP: string,
    attempt: number,
  ): Promise<ContainerConfig> {
    let env: ReadonlyMap<string, string>;
    try {
      env = await this.#environment.build(context, pod, container, podIP);
    } catch (error) {
      if (error instanceof NotYetError) this.#events.failed(pod, container, error.message);
      throw error;
    }
    await this.#checkUser(context, pod, container);
    const expand = (text: string): string => expandReferences(text, env);
    const user = runAsUserOf(pod, container);
    this.#options.files.makeDirectory(`${logDirectory(pod)}/${container.name}`, 0o755);
    return {
      metadata: { name: container.name, attempt },
      image: container.image ?? '',
      command: (container.command ?? []).map(expand),
      args: (container.args ?? []).map(expand),
      ...(container.workingDir ? { workingDir: container.workingDir } : {}),
      envs: [...env].map(([key, value]) => ({ key, value })),
      mounts: this.#mounts(pod, container, podIP, env, attempt),
      labels: {
        [runtimeLabels.podName]: pod.metadata.name ?? '',
        [runtimeLabels.podNamespace]: pod.metadata.namespace ?? '',
        [runtimeLabels.podUid]: uidOf(pod),
        [runtimeLabels.containerName]: container.name,
      },
      annotations: { 'io.kubernetes.container.restartCount': String(attempt) },
      stdin: container.stdin ?? false,
      stdinOnce: container.stdinOnce ?? false,
      tty: container.tty ?? false,
      ...(user === undefined ? {} : { runAsUser: user }),
      logPath: `${container.name}/${attempt}.log`,
      resources: containerResources(pod, container, this.#options.machine.memoryBytes),
      security: containerSecurity(pod, container),
    };
  }

  #mounts(
    pod: Pod,
    container: Container,
    podIP: string,
    env: ReadonlyMap<string, string>,
    attempt: number,
  ): readonly Mount[] {
    const { files, clusterDomain = 'cluster.local', nodeName } = this.#options;
    const mounts: Mount[] = [];
    for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
      const volume = pod.spec.volumes?.find((item) => item.name === mount.name);
      if (!volume) continue;
      const sub = mount.subPath ?? (mount.subPathExpr ? expandReferences(mount.subPathExpr, env) : '');
      const path = this.#volumes.pathOf(pod, volume);
      const pinned = `${this.#volumes.podDirectory(pod)}/volume-subpaths/${volume.name}/${container.name}/${index}`;
      const hostPath = sub ? this.#openSubPath(container, path, sub, pinned) : path;
      const content = volume.configMap ?? volume.secret ?? volume.projected ?? volume.downwardAPI;
      mounts.push({
        containerPath: mount.mountPath,
        hostPath,
        readonly: mount.readOnly === true || content !== undefined,
        ...(mount.mountPropagation ? { propagation: propagations[mount.mountPropagation] ?? 'PRIVATE' } : {}),
      });
    }
    const taken = new Set(mounts.map((mount) => mount.containerPath));
    const nodeFile = pod.spec.hostNetwork ? files.readFile('/etc/hosts') : undefined;
    if ((!pod.spec.hostNetwork || nodeFile) && !taken.has('/etc/hosts')) {
      const hostPath = `${this.#volumes.podDirectory(pod)}/etc-hosts`;
      const text = nodeFile
        ? nodeHostsFile(pod, Buffer.from(nodeFile).toString('utf8'))
        : hostsFile(pod, podIP, hostnameOf(pod, nodeName), clusterDomain);
      files.writeFile(hostPath, Buffer.from(text), 0o644);
      mounts.push({ containerPath: '/etc/hosts', hostPath, readonly: false });
    }
    const messageFile = this.terminationMessageFile(pod, container.name, attempt);
    files.writeFile(messageFile, new Uint8Array(0), 0o666);
    mounts.push({
      containerPath: container.terminationMessagePath || terminationMessagePath,
      hostPath: messageFile,
      readonly: false,
    });
    return mounts;
  }

  /** Where the termination message of a container comes to lie on the node. */
  terminationMessageFile(pod: Pod, container: string, attempt: number): string {
    return `${this.#volumes.podDirectory(pod)}/containers/${container}/${attempt}`;
  }

  async #checkUser(context: Context, pod: Pod, container: Container): Promise<void> {
    const image = await this.#options.runtime.imageStatus(context, container.image ?? '');
    const problem = nonRootProblem(pod, container, image);
    if (problem === undefined) return;
    this.#events.failed(pod, container, problem);
    throw new NotYetError({ reason: 'CreateContainerConfigError', message: problem }, timings.resyncMs);
  }

  #openSubPath(container: Container, volume: string, subPath: string, pinned: string): string {
    try {
      return this.#options.files.openSubPath(volume, subPath, pinned);
    } catch (error) {
      const message = `failed to prepare subPath for volumeMount of container "${container.name}": ${messageOf(error)}`;
      throw new NotYetError({ reason: 'CreateContainerConfigError', message }, timings.resyncMs);
    }
  }
}
