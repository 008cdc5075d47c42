import type {
  Container,
  ContainerMetadata,
  ContainerStats,
  ContainerStatus,
  Image,
  ImageFsInfo,
  PodSandbox,
  PodSandboxStatus,
} from '../cri.ts';
import type {
  ContainerMessage,
  ContainerMetadataMessage,
  ContainerStatsMessage,
  ContainerStatusMessage,
  FilesystemMessage,
  ImageMessage,
  Nanos,
  SandboxMessage,
  SandboxStatusMessage,
} from './messages.ts';
import { sandboxMetadata, storedConfig, visibleAnnotations } from './sandbox-config.ts';

export function sandboxOf(message: SandboxMessage): PodSandbox {
  const { id, state, labels } = message;
  return {
    ...{ id, state, labels },
    metadata: sandboxMetadata(message),
    createdAtMs: millis(message.created_at),
    annotations: visibleAnnotations(message),
  };
}

export function sandboxStatusOf(message: SandboxStatusMessage): PodSandboxStatus {
  const ip = message.network?.ip ?? '';
  const hasIp = ip !== '' && message.state === 'SANDBOX_READY' && storedConfig(message).network === 'POD';
  return { ...sandboxOf(message), ...(hasIp ? { ip } : {}) };
}

export function containerOf(message: ContainerMessage): Container {
  const { id, state, labels, annotations } = message;
  return {
    ...{ id, state, labels, annotations },
    podSandboxId: message.pod_sandbox_id,
    metadata: containerMetadata(message.metadata),
    image: message.image?.image ?? '',
    imageRef: message.image_ref,
    createdAtMs: millis(message.created_at),
  };
}

export function containerStatusOf(message: ContainerStatusMessage, podSandboxId: string): ContainerStatus {
  const { id, state, labels, annotations, reason, message: text } = message;
  return {
    ...{ id, podSandboxId, state, labels, annotations },
    metadata: containerMetadata(message.metadata),
    image: message.image?.image ?? '',
    imageRef: message.image_ref,
    createdAtMs: millis(message.created_at),
    ...(state === 'CONTAINER_CREATED' ? {} : { startedAtMs: millis(message.started_at) }),
    ...(state === 'CONTAINER_EXITED' ? { finishedAtMs: millis(message.finished_at), exitCode: message.exit_code } : {}),
    ...(reason === '' ? {} : { reason }),
    ...(text === '' ? {} : { message: text }),
    ...(message.log_path === '' ? {} : { logPath: message.log_path }),
  };
}

/** Of a container that does not run a runtime tells no numbers: it uses nothing. */
export function containerStatsOf(message: ContainerStatsMessage | null, id: string, nowMs: number): ContainerStats {
  const timestamp = message?.cpu?.timestamp ?? 0;
  return {
    id,
    metadata: containerMetadata(message?.attributes?.metadata ?? null),
    timestampMs: timestamp === 0 ? nowMs : millis(timestamp),
    cpuUsageCoreNanoSeconds: message?.cpu?.usage_core_nano_seconds?.value ?? 0,
    memoryWorkingSetBytes: message?.memory?.working_set_bytes?.value ?? 0,
  };
}

export function imageOf(message: ImageMessage): Image {
  const { id, username } = message;
  return {
    id,
    repoTags: message.repo_tags,
    repoDigests: message.repo_digests,
    sizeBytes: message.size,
    ...(message.uid ? { uid: message.uid.value } : {}),
    ...(username === '' ? {} : { username }),
  };
}

export function imageFsInfoOf(message: FilesystemMessage | undefined): ImageFsInfo {
  return { mountpoint: message?.fs_id?.mountpoint ?? '', usedBytes: message?.used_bytes?.value ?? 0 };
}

function containerMetadata(message: ContainerMetadataMessage | null): ContainerMetadata {
  return message ?? { name: '', attempt: 0 };
}

function millis(nanos: Nanos): number {
  return Math.floor(nanos / 1_000_000);
}
