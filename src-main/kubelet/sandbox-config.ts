import type { Pod } from '#api/gen/types';
import type { DnsConfig, PodSandboxConfig, PortMapping } from '#cri/cri';
import { allContainers, hostnameOf, uidOf } from './pod-facts.ts';
import { podCgroup } from './qos.ts';
import { runtimeLabels } from './runtime-view.ts';
import { hasPrivilegedContainer } from './security-context.ts';

/** Where a pod's logs lie on the node: `/var/log/pods/<namespace>_<name>_<uid>`. */
export function logDirectory(pod: Pod): string {
  return `/var/log/pods/${pod.metadata.namespace ?? ''}_${pod.metadata.name ?? ''}_${uidOf(pod)}`;
}

export interface SandboxInput {
  readonly pod: Pod;
  readonly nodeName: string;
  /** How many sandboxes the pod had before. */
  readonly attempt: number;
  readonly dns: DnsConfig;
  /** The cgroup that all cgroups of pods lie under; empty for the root of what the runtime sees. */
  readonly cgroupRoot: string;
}

/** What the runtime is told of a pod (pkg/kubelet/kuberuntime/kuberuntime_sandbox.go, release 1.36). */
export function sandboxConfig({ pod, nodeName, attempt, dns, cgroupRoot }: SandboxInput): PodSandboxConfig {
  const { name = '', namespace = '' } = pod.metadata;
  const { hostNetwork, hostIPC, hostPID, shareProcessNamespace, securityContext } = pod.spec;
  const sysctls = Object.fromEntries((securityContext?.sysctls ?? []).map((item) => [item.name, item.value]));
  const ports = hostNetwork ? [] : portMappings(pod);
  return {
    metadata: { name, namespace, uid: uidOf(pod), attempt },
    hostname: hostnameOf(pod, nodeName),
    dnsConfig: dns,
    labels: {
      [runtimeLabels.podName]: name,
      [runtimeLabels.podNamespace]: namespace,
      [runtimeLabels.podUid]: uidOf(pod),
    },
    annotations: {},
    network: hostNetwork ? 'NODE' : 'POD',
    ipc: hostIPC ? 'NODE' : 'POD',
    pid: hostPID ? 'NODE' : shareProcessNamespace ? 'POD' : 'CONTAINER',
    logDirectory: logDirectory(pod),
    cgroupParent: `${cgroupRoot}${podCgroup(pod)}`,
    ...(Object.keys(sysctls).length > 0 ? { sysctls } : {}),
    privileged: hasPrivilegedContainer(pod),
    ...(ports.length > 0 ? { portMappings: ports } : {}),
  };
}

function portMappings(pod: Pod): readonly PortMapping[] {
  return allContainers(pod).flatMap((container) =>
    (container.ports ?? []).flatMap(({ protocol = 'TCP', containerPort, hostPort, hostIP = '' }) =>
      hostPort ? [{ protocol: protocol as PortMapping['protocol'], containerPort, hostPort, hostIP }] : [],
    ),
  );
}
