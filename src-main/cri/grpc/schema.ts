import protobuf from 'protobufjs';

/**
 * What is sent and read here of runtime.v1 (k8s.io/cri-api, release 1.36): names, numbers and types of the wire format.
 * Fields that are not listed are skipped when read, as protobuf has it.
 */
const schema = `
syntax = "proto3";
package runtime.v1;
message Int64Value { int64 value = 1; }
message UInt64Value { uint64 value = 1; }
message Empty { }

message VersionRequest { string version = 1; }
message VersionResponse { string version = 1; string runtime_name = 2; string runtime_version = 3; }
message RuntimeCondition { string type = 1; bool status = 2; string reason = 3; string message = 4; }
message RuntimeStatus { repeated RuntimeCondition conditions = 1; }
message StatusResponse { RuntimeStatus status = 1; }
message NetworkConfig { string pod_cidr = 1; }
message RuntimeConfig { NetworkConfig network_config = 1; }
message UpdateRuntimeConfigRequest { RuntimeConfig runtime_config = 1; }

enum Protocol { TCP = 0; UDP = 1; SCTP = 2; }
enum MountPropagation { PROPAGATION_PRIVATE = 0; PROPAGATION_HOST_TO_CONTAINER = 1; PROPAGATION_BIDIRECTIONAL = 2; }
enum NamespaceMode { POD = 0; CONTAINER = 1; NODE = 2; TARGET = 3; }
enum PodSandboxState { SANDBOX_READY = 0; SANDBOX_NOTREADY = 1; }
enum ContainerState { CONTAINER_CREATED = 0; CONTAINER_RUNNING = 1; CONTAINER_EXITED = 2; CONTAINER_UNKNOWN = 3; }
enum ProfileType { RuntimeDefault = 0; Unconfined = 1; Localhost = 2; }

message DNSConfig { repeated string servers = 1; repeated string searches = 2; repeated string options = 3; }
message PortMapping { Protocol protocol = 1; int32 container_port = 2; int32 host_port = 3; string host_ip = 4; }
message NamespaceOption { NamespaceMode network = 1; NamespaceMode pid = 2; NamespaceMode ipc = 3; }
message SecurityProfile { ProfileType profile_type = 1; string localhost_ref = 2; }
message LinuxSandboxSecurityContext { NamespaceOption namespace_options = 1; bool privileged = 6; SecurityProfile seccomp = 9; }
message LinuxPodSandboxConfig {
  string cgroup_parent = 1; LinuxSandboxSecurityContext security_context = 2; map<string, string> sysctls = 3;
}
message PodSandboxMetadata { string name = 1; string uid = 2; string namespace = 3; uint32 attempt = 4; }
message PodSandboxConfig {
  PodSandboxMetadata metadata = 1; string hostname = 2; string log_directory = 3; DNSConfig dns_config = 4;
  repeated PortMapping port_mappings = 5; map<string, string> labels = 6; map<string, string> annotations = 7;
  LinuxPodSandboxConfig linux = 8;
}
message RunPodSandboxRequest { PodSandboxConfig config = 1; }
message PodSandboxRequest { string pod_sandbox_id = 1; }
message RunPodSandboxResponse { string pod_sandbox_id = 1; }
message PodSandboxNetworkStatus { string ip = 1; }
message PodSandboxStatus {
  string id = 1; PodSandboxMetadata metadata = 2; PodSandboxState state = 3; int64 created_at = 4;
  PodSandboxNetworkStatus network = 5; map<string, string> labels = 7; map<string, string> annotations = 8;
}
message PodSandboxStatusResponse { PodSandboxStatus status = 1; }
message PodSandbox {
  string id = 1; PodSandboxMetadata metadata = 2; PodSandboxState state = 3; int64 created_at = 4;
  map<string, string> labels = 5; map<string, string> annotations = 6;
}
message ListPodSandboxResponse { repeated PodSandbox items = 1; }

message ImageSpec { string image = 1; map<string, string> annotations = 2; }
message KeyValue { string key = 1; string value = 2; }
message Mount { string container_path = 1; string host_path = 2; bool readonly = 3; MountPropagation propagation = 5; }
message LinuxContainerResources {
  int64 cpu_period = 1; int64 cpu_quota = 2; int64 cpu_shares = 3; int64 memory_limit_in_bytes = 4; int64 oom_score_adj = 5;
}
message Capability { repeated string add_capabilities = 1; repeated string drop_capabilities = 2; }
message LinuxContainerSecurityContext {
  Capability capabilities = 1; bool privileged = 2; NamespaceOption namespace_options = 3; Int64Value run_as_user = 5;
  bool readonly_rootfs = 7; repeated int64 supplemental_groups = 8; bool no_new_privs = 11; Int64Value run_as_group = 12;
  repeated string masked_paths = 13; repeated string readonly_paths = 14; SecurityProfile seccomp = 15;
}
message LinuxContainerConfig { LinuxContainerResources resources = 1; LinuxContainerSecurityContext security_context = 2; }
message ContainerMetadata { string name = 1; uint32 attempt = 2; }
message ContainerConfig {
  ContainerMetadata metadata = 1; ImageSpec image = 2; repeated string command = 3; repeated string args = 4;
  string working_dir = 5; repeated KeyValue envs = 6; repeated Mount mounts = 7; map<string, string> labels = 9;
  map<string, string> annotations = 10; string log_path = 11; bool stdin = 12; bool stdin_once = 13; bool tty = 14;
  LinuxContainerConfig linux = 15;
}
message CreateContainerRequest { string pod_sandbox_id = 1; ContainerConfig config = 2; PodSandboxConfig sandbox_config = 3; }
message CreateContainerResponse { string container_id = 1; }
message ContainerRequest { string container_id = 1; }
message StopContainerRequest { string container_id = 1; int64 timeout = 2; }
message ContainerFilter { string id = 1; string pod_sandbox_id = 3; }
message ListContainersRequest { ContainerFilter filter = 1; }
message Container {
  string id = 1; string pod_sandbox_id = 2; ContainerMetadata metadata = 3; ImageSpec image = 4; string image_ref = 5;
  ContainerState state = 6; int64 created_at = 7; map<string, string> labels = 8; map<string, string> annotations = 9;
}
message ListContainersResponse { repeated Container containers = 1; }
message ContainerStatus {
  string id = 1; ContainerMetadata metadata = 2; ContainerState state = 3; int64 created_at = 4; int64 started_at = 5;
  int64 finished_at = 6; int32 exit_code = 7; ImageSpec image = 8; string image_ref = 9; string reason = 10;
  string message = 11; map<string, string> labels = 12; map<string, string> annotations = 13; string log_path = 15;
}
message ContainerStatusResponse { ContainerStatus status = 1; }
message UpdateContainerResourcesRequest { string container_id = 1; LinuxContainerResources linux = 2; }

message ExecSyncRequest { string container_id = 1; repeated string cmd = 2; int64 timeout = 3; }
message ExecSyncResponse { bytes stdout = 1; bytes stderr = 2; int32 exit_code = 3; }
message ExecRequest { string container_id = 1; repeated string cmd = 2; bool tty = 3; bool stdin = 4; bool stdout = 5; bool stderr = 6; }
message AttachRequest { string container_id = 1; bool stdin = 2; bool tty = 3; bool stdout = 4; bool stderr = 5; }
message PortForwardRequest { string pod_sandbox_id = 1; repeated int32 port = 2; }
message UrlResponse { string url = 1; }

message ContainerAttributes { string id = 1; ContainerMetadata metadata = 2; }
message CpuUsage { int64 timestamp = 1; UInt64Value usage_core_nano_seconds = 2; }
message MemoryUsage { int64 timestamp = 1; UInt64Value working_set_bytes = 2; }
message ContainerStats { ContainerAttributes attributes = 1; CpuUsage cpu = 2; MemoryUsage memory = 3; }
message ContainerStatsResponse { ContainerStats stats = 1; }
message ContainerEventResponse { string container_id = 1; }

message AuthConfig {
  string username = 1; string password = 2; string auth = 3; string server_address = 4; string identity_token = 5;
  string registry_token = 6;
}
message ImageRequest { ImageSpec image = 1; }
message PullImageRequest { ImageSpec image = 1; AuthConfig auth = 2; }
message PullImageResponse { string image_ref = 1; }
message Image {
  string id = 1; repeated string repo_tags = 2; repeated string repo_digests = 3; uint64 size = 4; Int64Value uid = 5;
  string username = 6;
}
message ListImagesResponse { repeated Image images = 1; }
message ImageStatusResponse { Image image = 1; }
message FilesystemIdentifier { string mountpoint = 1; }
message FilesystemUsage { int64 timestamp = 1; FilesystemIdentifier fs_id = 2; UInt64Value used_bytes = 3; }
message ImageFsInfoResponse { repeated FilesystemUsage image_filesystems = 1; }
`;

let root: protobuf.Root | undefined;

/** Parsed when first asked for. */
function messageType(name: string): protobuf.Type {
  root ??= protobuf.parse(schema, { keepCase: true }).root;
  return root.lookupType(`runtime.v1.${name}`);
}

/**
 * A message's plain object: enumerations by name, absent fields with their defaults, absent messages null. Numbers are
 * numbers: nanoseconds since the epoch lose less than a microsecond, and nothing else is large.
 */
export function decodeMessage<T>(name: string, bytes: Uint8Array): T {
  const type = messageType(name);
  return type.toObject(type.decode(bytes), { longs: Number, enums: String, defaults: true }) as T;
}

export function encodeMessage(name: string, message: object): Buffer {
  const type = messageType(name);
  return Buffer.from(type.encode(type.fromObject(message)).finish());
}
