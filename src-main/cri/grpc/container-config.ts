import type { ContainerConfig, ContainerSecurity, LinuxContainerResources, PodSandboxConfig } from '../cri.ts';
import { namespaceOptions } from './sandbox-config.ts';

/** What `/proc` and `/sys` of a container hide and protect (`pkg/securitycontext`, release 1.36). */
const maskedPaths: readonly string[] = [
  ...['asound', 'acpi', 'interrupts', 'kcore', 'keys', 'latency_stats', 'timer_list', 'timer_stats', 'sched_debug'].map(
    (name) => `/proc/${name}`,
  ),
  ...['/proc/scsi', '/sys/firmware', '/sys/devices/virtual/powercap'],
];
const readonlyPaths: readonly string[] = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'].map((name) => `/proc/${name}`);

const propagations = {
  PRIVATE: 'PROPAGATION_PRIVATE',
  HOST_TO_CONTAINER: 'PROPAGATION_HOST_TO_CONTAINER',
  BIDIRECTIONAL: 'PROPAGATION_BIDIRECTIONAL',
} as const;

/** The message `ContainerConfig`. */
export function containerMessage(config: ContainerConfig, sandbox: PodSandboxConfig): object {
  const { metadata, image, command, args, envs, labels, annotations, stdin, tty } = config;
  return {
    ...{ metadata, image: { image }, command, args, envs, labels, annotations, stdin, tty },
    stdin_once: config.stdinOnce,
    working_dir: config.workingDir ?? '',
    log_path: config.logPath ?? '',
    mounts: config.mounts.map((mount) => ({
      container_path: mount.containerPath,
      host_path: mount.hostPath,
      readonly: mount.readonly,
      propagation: propagations[mount.propagation ?? 'PRIVATE'],
    })),
    linux: {
      ...(config.resources ? { resources: resourcesMessage(config.resources) } : {}),
      security_context: securityMessage(config, config.security ?? {}, sandbox),
    },
  };
}

export function resourcesMessage(resources: LinuxContainerResources): object {
  return {
    cpu_period: resources.cpuPeriod ?? 0,
    cpu_quota: resources.cpuQuota ?? 0,
    cpu_shares: resources.cpuShares ?? 0,
    memory_limit_in_bytes: resources.memoryLimitBytes ?? 0,
    oom_score_adj: resources.oomScoreAdj ?? 0,
  };
}

function securityMessage(config: ContainerConfig, security: ContainerSecurity, sandbox: PodSandboxConfig): object {
  const { runAsUser } = config;
  const { runAsGroup, seccomp } = security;
  const privileged = security.privileged ?? false;
  return {
    capabilities: {
      add_capabilities: security.addCapabilities ?? [],
      drop_capabilities: security.dropCapabilities ?? [],
    },
    privileged,
    namespace_options: namespaceOptions(sandbox),
    ...(runAsUser === undefined ? {} : { run_as_user: { value: runAsUser } }),
    ...(runAsGroup === undefined ? {} : { run_as_group: { value: runAsGroup } }),
    readonly_rootfs: security.readonlyRootfs ?? false,
    supplemental_groups: security.supplementalGroups ?? [],
    no_new_privs: security.noNewPrivs ?? false,
    masked_paths: privileged ? [] : maskedPaths,
    readonly_paths: privileged ? [] : readonlyPaths,
    seccomp:
      seccomp?.type === 'Localhost'
        ? { profile_type: 'Localhost', localhost_ref: seccomp.path }
        : { profile_type: seccomp?.type ?? 'Unconfined' },
  };
}
