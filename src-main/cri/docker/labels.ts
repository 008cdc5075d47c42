import type { ContainerConfig, ContainerMetadata, Labels, PodSandboxConfig, PodSandboxMetadata } from '../cri.ts';

/** Labels of what this runtime makes: all that another client needs to go on with it. */
export const criLabels = {
  /** Whose it is: clients see their own scope only. */
  scope: 'dev.drydock.cri.scope',
  kind: 'dev.drydock.cri.kind',
  /** Of a container: its sandbox's id. */
  sandbox: 'dev.drydock.cri.sandbox',
  /** The record below, as JSON. */
  record: 'dev.drydock.cri.record',
  /** For people who look with `docker ps`. */
  pod: 'dev.drydock.cri.pod',
} as const;

export type StoredSandbox = Pick<PodSandboxConfig, 'network' | 'ipc' | 'pid' | 'cgroupParent'>;

/** What the engine does not keep of a sandbox. */
export interface SandboxRecord {
  readonly kind: 'sandbox';
  readonly pod: PodSandboxMetadata;
  readonly labels: Labels;
  readonly annotations: Labels;
  /** The engine tells whole seconds in lists. */
  readonly createdAtMs: number;
  readonly config: StoredSandbox;
}

/** What the engine does not keep of a container. */
export interface ContainerRecord {
  readonly kind: 'container';
  readonly pod: PodSandboxMetadata;
  readonly sandboxId: string;
  readonly metadata: ContainerMetadata;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly createdAtMs: number;
  /** As it was asked for, in full by its first tag, and by digest. */
  readonly image: string;
  readonly imageName: string;
  readonly imageRef: string;
}

export type CriRecord = SandboxRecord | ContainerRecord;

export function labelsOf(scope: string, record: CriRecord): Record<string, string> {
  return {
    [criLabels.scope]: scope,
    [criLabels.kind]: record.kind,
    [criLabels.pod]: `${record.pod.namespace}/${record.pod.name}`,
    ...(record.kind === 'container' ? { [criLabels.sandbox]: record.sandboxId } : {}),
    [criLabels.record]: JSON.stringify(record),
  };
}

/** Undefined for containers of others. */
export function recordOf(labels: Readonly<Record<string, string>> | null | undefined): CriRecord | undefined {
  const text = labels?.[criLabels.record];
  return text === undefined ? undefined : (JSON.parse(text) as CriRecord);
}

export function sandboxRecord(config: PodSandboxConfig, createdAtMs: number): SandboxRecord {
  const { metadata: pod, labels, annotations, network, ipc, pid, cgroupParent } = config;
  const stored = {
    network,
    ...(ipc === undefined ? {} : { ipc }),
    ...(pid === undefined ? {} : { pid }),
    ...(cgroupParent === undefined ? {} : { cgroupParent }),
  };
  return { kind: 'sandbox', pod, labels, annotations, createdAtMs, config: stored };
}

/** The name under which the engine's own tools show it; unique for a scope as the metadata is. */
export function containerName(
  scope: string,
  pod: PodSandboxMetadata,
  container: Pick<ContainerConfig, 'metadata'>['metadata'] | undefined,
): string {
  const { name, attempt } = container ?? { name: 'POD', attempt: pod.attempt };
  const parts = [scope, name, pod.name, pod.namespace, pod.uid, String(attempt)];
  return parts.map((part) => part.replace(/[^a-zA-Z0-9.-]/g, '-')).join('_');
}
