import type { ContainerState, Labels, PodSandboxState } from '../cri.ts';

/** The answers of schema.ts as they come out of decodeMessage. Field names are those of the wire format. */

/** Nanoseconds since the epoch; 0 when not set. */
export type Nanos = number;

export interface WrappedNumber {
  readonly value: number;
}

export interface SandboxMetadataMessage {
  readonly name: string;
  readonly uid: string;
  readonly namespace: string;
  readonly attempt: number;
}

export interface SandboxMessage {
  readonly id: string;
  readonly metadata: SandboxMetadataMessage | null;
  readonly state: PodSandboxState;
  readonly created_at: Nanos;
  readonly labels: Labels;
  readonly annotations: Labels;
}

export interface SandboxStatusMessage extends SandboxMessage {
  readonly network: { readonly ip: string } | null;
}

export interface ContainerMetadataMessage {
  readonly name: string;
  readonly attempt: number;
}

interface ImageSpecMessage {
  readonly image: string;
}

export interface ContainerMessage {
  readonly id: string;
  readonly pod_sandbox_id: string;
  readonly metadata: ContainerMetadataMessage | null;
  readonly image: ImageSpecMessage | null;
  readonly image_ref: string;
  readonly state: ContainerState;
  readonly created_at: Nanos;
  readonly labels: Labels;
  readonly annotations: Labels;
}

export interface ContainerStatusMessage {
  readonly id: string;
  readonly metadata: ContainerMetadataMessage | null;
  readonly state: ContainerState;
  readonly created_at: Nanos;
  readonly started_at: Nanos;
  readonly finished_at: Nanos;
  readonly exit_code: number;
  readonly image: ImageSpecMessage | null;
  readonly image_ref: string;
  readonly reason: string;
  readonly message: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly log_path: string;
}

export interface ContainerStatsMessage {
  readonly attributes: { readonly id: string; readonly metadata: ContainerMetadataMessage | null } | null;
  readonly cpu: { readonly timestamp: Nanos; readonly usage_core_nano_seconds: WrappedNumber | null } | null;
  readonly memory: { readonly timestamp: Nanos; readonly working_set_bytes: WrappedNumber | null } | null;
}

export interface ImageMessage {
  readonly id: string;
  readonly repo_tags: readonly string[];
  readonly repo_digests: readonly string[];
  readonly size: number;
  readonly uid: WrappedNumber | null;
  readonly username: string;
}

export interface FilesystemMessage {
  readonly fs_id: { readonly mountpoint: string } | null;
  readonly used_bytes: WrappedNumber | null;
}
