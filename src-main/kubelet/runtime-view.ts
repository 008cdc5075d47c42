import type { Context } from '#base/context';
import type { ContainerStatus, PodSandboxStatus, RuntimeService } from '#cri/cri';
import { CriError } from '#cri/cri';

/** Labels the kubelet puts on what it makes, by which it finds it again (pkg/kubelet/types/labels.go, release 1.36). */
export const runtimeLabels = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name',
} as const;

/** What the runtime has of one pod. */
export interface PodView {
  /** Newest first. */
  readonly sandboxes: readonly PodSandboxStatus[];
  /** Containers of all its sandboxes by name, newest first. */
  readonly containers: ReadonlyMap<string, readonly ContainerStatus[]>;
}

export const emptyView: PodView = { sandboxes: [], containers: new Map() };

export async function readPodView(context: Context, runtime: RuntimeService, podUid: string): Promise<PodView> {
  const found = await runtime.listPodSandboxes(context, { podUid });
  if (found.length === 0) return emptyView;
  const sandboxes = await present(found.map(({ id }) => runtime.podSandboxStatus(context, id)));
  sandboxes.sort((a, b) => b.metadata.attempt - a.metadata.attempt);
  const containers = new Map<string, ContainerStatus[]>();
  for (const sandbox of sandboxes) {
    const listed = await runtime.listContainers(context, { podSandboxId: sandbox.id });
    for (const status of await present(listed.map(({ id }) => runtime.containerStatus(context, id)))) {
      const name = status.metadata.name;
      containers.set(name, [...(containers.get(name) ?? []), status]);
    }
  }
  for (const statuses of containers.values()) statuses.sort((a, b) => b.metadata.attempt - a.metadata.attempt);
  return { sandboxes, containers };
}

/** What went between listing and asking is left out. */
async function present<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  return settled.flatMap((result) => {
    if (result.status === 'fulfilled') return [result.value];
    if (result.reason instanceof CriError && result.reason.code === 'NotFound') return [];
    throw result.reason;
  });
}

export function readySandbox(view: PodView): PodSandboxStatus | undefined {
  const [newest] = view.sandboxes;
  return newest?.state === 'SANDBOX_READY' ? newest : undefined;
}

export function latest(view: PodView, name: string): ContainerStatus | undefined {
  return view.containers.get(name)?.[0];
}

export function isRunning(status: ContainerStatus | undefined): boolean {
  return status?.state === 'CONTAINER_RUNNING';
}

export function runningContainers(view: PodView): readonly ContainerStatus[] {
  return [...view.containers.values()].flat().filter(isRunning);
}
