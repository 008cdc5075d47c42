import type { PodSandboxConfig, PodSandboxMetadata } from '../cri.ts';
import type { SandboxMessage } from './messages.ts';

/**
 * A runtime wants a sandbox's configuration again with every container of it, but gives back only a part. So the whole is
 * kept with the sandbox, as an annotation that this client adds and hides: a restarted kubelet goes on with it, whatever
 * the runtime.
 */
const configAnnotation = 'io.drydock.cri/sandbox-config';

type StoredConfig = Omit<PodSandboxConfig, 'metadata' | 'labels' | 'annotations'>;

/** The message `PodSandboxConfig`. */
export function sandboxMessage(config: PodSandboxConfig): object {
  const { metadata, labels, annotations, ...stored } = config;
  const { hostname, dnsConfig, logDirectory, cgroupParent, sysctls, portMappings } = stored;
  return {
    metadata,
    hostname,
    log_directory: logDirectory ?? '',
    ...(dnsConfig ? { dns_config: dnsConfig } : {}),
    port_mappings: (portMappings ?? []).map(({ protocol, containerPort, hostPort, hostIP }) => ({
      ...{ protocol, container_port: containerPort, host_port: hostPort, host_ip: hostIP },
    })),
    labels,
    annotations: { ...annotations, [configAnnotation]: JSON.stringify(stored) },
    linux: {
      cgroup_parent: cgroupParent ?? '',
      sysctls: sysctls ?? {},
      security_context: {
        namespace_options: namespaceOptions(config),
        privileged: config.privileged ?? false,
        seccomp: { profile_type: config.privileged ? 'Unconfined' : 'RuntimeDefault' },
      },
    },
  };
}

/** Which namespaces a sandbox's processes share; its containers are told the same. */
export function namespaceOptions({ network, pid, ipc }: StoredConfig): object {
  return { network, pid: pid ?? 'CONTAINER', ipc: ipc ?? 'POD' };
}

/** The configuration a sandbox was made with. One that somebody else made is taken for a plain one. */
export function storedConfig(sandbox: SandboxMessage): PodSandboxConfig {
  const { [configAnnotation]: text, ...annotations } = sandbox.annotations;
  const stored: StoredConfig =
    text === undefined ? { hostname: '', network: 'POD' } : (JSON.parse(text) as StoredConfig);
  return { ...stored, metadata: sandboxMetadata(sandbox), labels: sandbox.labels, annotations };
}

export function sandboxMetadata({ id, metadata }: SandboxMessage): PodSandboxMetadata {
  return metadata ?? { name: id, uid: '', namespace: '', attempt: 0 };
}

/** What of a sandbox's annotations its maker gave. */
export function visibleAnnotations(sandbox: SandboxMessage): Readonly<Record<string, string>> {
  const { [configAnnotation]: hidden, ...annotations } = sandbox.annotations;
  void hidden;
  return annotations;
}
