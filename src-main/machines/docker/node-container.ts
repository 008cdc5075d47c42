import type { ContainerCreateOptions, HostConfig } from 'dockerode';
import { machinePaths, type MachineResources } from '../machine.ts';
import { containerName, nodeLabels, volumeName } from './labels.ts';

/** What outlives a node's container: images and containers, kubelet's state, our own. */
export const nodeVolumes = [
  { use: 'containerd', path: '/var/lib/containerd' },
  { use: 'kubelet', path: machinePaths.kubeletState },
  { use: 'state', path: machinePaths.agentState },
  { use: 'logs', path: '/var/log' },
] as const;

export interface NodeContainerSpec {
  readonly home: string;
  readonly lab: string;
  readonly node: string;
  readonly image: string;
  readonly network: string;
  readonly ip: string;
  readonly resources: MachineResources;
  readonly traits: HostTraits;
}

/** What the host gives to containers. */
export interface HostTraits {
  readonly capabilities: readonly string[];
  readonly cgroupVersion: 1 | 2;
}

/** Needed to run containers inside: mounts, namespaces and a writable /proc/sys. Not `privileged`: no other capabilities. */
export const securityOptions = ['seccomp=unconfined', 'apparmor=unconfined', 'label=disable'];

/** In the API since 1.41, and not in dockerode's types. */
interface NodeHostConfig extends HostConfig {
  readonly CgroupnsMode: 'private' | 'host';
}

export function nodeContainerOptions(spec: NodeContainerSpec): ContainerCreateOptions {
  const { home, lab, node } = spec;
  const labels = nodeLabels(home, lab, node);
  const hostConfig: NodeHostConfig = {
    CapAdd: [...spec.traits.capabilities],
    CapDrop: ['ALL'],
    SecurityOpt: securityOptions,
    // Nothing hidden in /proc: the kubelet sets sysctls, and runc mounts /proc for pods.
    MaskedPaths: [],
    ReadonlyPaths: [],
    // The node's cgroup is the root of what it sees, so pods count towards its limits and freeze with it.
    CgroupnsMode: 'private',
    // cgroup v1 lets a node allow its privileged pods only what it is allowed itself; with v2 each has a filter of its own.
    ...(spec.traits.cgroupVersion === 1 && { DeviceCgroupRules: ['a *:* rwm'] }),
    Mounts: nodeVolumes.map(({ use, path }) => ({
      Type: 'volume' as const,
      Source: volumeName(home, lab, node, use),
      Target: path,
      VolumeOptions: { NoCopy: true, Labels: { ...labels }, DriverConfig: { Name: 'local', Options: {} } },
    })),
    Tmpfs: { '/run': 'exec,mode=755', '/tmp': 'exec,mode=1777' },
    Sysctls: { 'net.ipv4.ip_forward': '1' },
    ...resourceLimits(spec.resources),
    // Comes back after a Docker restart, stays down when it was stopped or killed on purpose.
    RestartPolicy: { Name: 'unless-stopped' },
    NetworkMode: spec.network,
    ExtraHosts: ['host.docker.internal:host-gateway'],
    LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '2' } },
  };
  return {
    name: containerName(home, lab, node),
    Image: spec.image,
    Hostname: node,
    Labels: { ...labels },
    HostConfig: hostConfig,
    NetworkingConfig: { EndpointsConfig: { [spec.network]: { IPAMConfig: { IPv4Address: spec.ip } } } },
  };
}

/** Also what `docker update` takes. No swap: a limit is a limit. */
export function resourceLimits(resources: MachineResources): {
  NanoCpus: number;
  Memory: number;
  MemorySwap: number;
} {
  const memory = Math.round(resources.memoryBytes);
  return { NanoCpus: Math.round(resources.cpus * 1e9), Memory: memory, MemorySwap: memory };
}
