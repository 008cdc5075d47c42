import { readFileSync } from 'node:fs';
import type { ContainerCreateOptions, HostConfig } from 'dockerode';
import { messageOf } from '#base/errors';
import {
  CriError,
  type ContainerConfig,
  type ContainerSecurity,
  type DnsConfig,
  type LinuxContainerResources,
  type Mount,
  type PodSandboxConfig,
} from '../cri.ts';
import type { StoredSandbox } from './labels.ts';

/** What is true of the engine that decides how it is asked. */
export interface EngineTraits {
  /** `cgroupfs` takes paths, `systemd` slices; `none` (rootless without delegation) takes nothing. */
  readonly cgroupDriver: string;
}

/** Kept by the engine, read back through its logs API; a restarted container is a new one, with a log of its own. */
const logConfig = { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '5' } };

/** The engine's view of a sandbox: a process that holds the pod's namespaces. */
export function sandboxOptions(
  config: PodSandboxConfig,
  network: string,
  traits: EngineTraits,
): ContainerCreateOptions {
  const onNode = config.network === 'NODE';
  const mappings = onNode ? [] : (config.portMappings ?? []).filter(({ hostPort }) => hostPort > 0);
  const portOf = ({ containerPort, protocol }: (typeof mappings)[number]): string =>
    `${containerPort}/${protocol.toLowerCase()}`;
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const mapping of mappings) {
    (bindings[portOf(mapping)] ??= []).push({ HostIp: mapping.hostIP, HostPort: String(mapping.hostPort) });
  }
  return {
    ...(config.hostname !== '' && !onNode ? { Hostname: config.hostname } : {}),
    ExposedPorts: Object.fromEntries(mappings.map((mapping) => [portOf(mapping), {}])),
    HostConfig: {
      ...cgroupParent(config, traits),
      NetworkMode: onNode ? 'host' : network,
      IpcMode: config.ipc === 'NODE' ? 'host' : 'shareable',
      ...(config.pid === 'NODE' ? { PidMode: 'host' } : {}),
      ...(config.sysctls ? { Sysctls: { ...config.sysctls } } : {}),
      PortBindings: bindings,
      LogConfig: { Type: 'none', Config: {} },
      // What holds the namespaces may nothing, except write the pod's resolv.conf, which is root's.
      ...(config.privileged ? { Privileged: true } : { CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'] }),
    },
  };
}

/** The engine's view of a container that joins sandbox `sandboxId`; `imageUser` is whom its image runs as. Throws CriError InvalidArgument. */
export function containerOptions(
  config: ContainerConfig,
  sandboxId: string,
  sandbox: StoredSandbox,
  imageUser: string,
  traits: EngineTraits,
): ContainerCreateOptions {
  const { command, args, security = {} } = config;
  const user = userOf(config, imageUser);
  return {
    ...(command.length > 0 ? { Entrypoint: [...command] } : {}),
    ...(args.length > 0 ? { Cmd: [...args] } : {}),
    ...(config.workingDir ? { WorkingDir: config.workingDir } : {}),
    ...(user === undefined ? {} : { User: user }),
    Env: config.envs.map(({ key, value }) => `${key}=${value}`),
    Tty: config.tty,
    OpenStdin: config.stdin,
    StdinOnce: config.stdinOnce,
    HostConfig: {
      ...cgroupParent(sandbox, traits),
      NetworkMode: `container:${sandboxId}`,
      IpcMode: sandbox.ipc === 'NODE' ? 'host' : `container:${sandboxId}`,
      ...pidMode(sandbox, sandboxId),
      ...mountsOf(config.mounts),
      ...securityOf(security),
      ...resourcesOf(config.resources ?? {}),
      ...(config.resources?.oomScoreAdj === undefined ? {} : { OomScoreAdj: config.resources.oomScoreAdj }),
      LogConfig: logConfig,
    },
  };
}

/** The part of the limits that can be changed later. Swap is not given: the limit of both is the limit of memory. */
export function resourcesOf(resources: LinuxContainerResources): HostConfig {
  const { cpuPeriod, cpuQuota, cpuShares, memoryLimitBytes } = resources;
  return {
    ...(cpuPeriod ? { CpuPeriod: cpuPeriod } : {}),
    ...(cpuQuota ? { CpuQuota: cpuQuota } : {}),
    ...(cpuShares ? { CpuShares: cpuShares } : {}),
    ...(memoryLimitBytes ? { Memory: memoryLimitBytes, MemorySwap: memoryLimitBytes } : {}),
  };
}

function pidMode({ pid }: StoredSandbox, sandboxId: string): HostConfig {
  if (pid === 'NODE') return { PidMode: 'host' };
  return pid === 'POD' ? { PidMode: `container:${sandboxId}` } : {};
}

function securityOf(security: ContainerSecurity): HostConfig {
  const options = [
    ...(security.noNewPrivs ? ['no-new-privileges'] : []),
    ...(security.privileged ? [] : seccompOf(security)),
  ];
  return {
    ...(security.privileged ? { Privileged: true } : {}),
    ...(security.addCapabilities ? { CapAdd: [...security.addCapabilities] } : {}),
    ...(security.dropCapabilities ? { CapDrop: [...security.dropCapabilities] } : {}),
    ...(security.readonlyRootfs ? { ReadonlyRootfs: true } : {}),
    ...(security.supplementalGroups ? { GroupAdd: security.supplementalGroups.map(String) } : {}),
    SecurityOpt: options,
  };
}

/** The engine takes a profile's text, not its path, and has one of its own for who says nothing. */
function seccompOf({ seccomp }: ContainerSecurity): readonly string[] {
  if (seccomp?.type === 'RuntimeDefault') return [];
  if (seccomp?.type !== 'Localhost') return ['seccomp=unconfined'];
  try {
    return [`seccomp=${readFileSync(seccomp.path, 'utf8')}`];
  } catch (error) {
    throw new CriError('InvalidArgument', `the seccomp profile ${seccomp.path}: ${messageOf(error)}`, { cause: error });
  }
}

/** `uid:gid`; a group alone goes to the image's own user. */
function userOf({ runAsUser, security }: ContainerConfig, imageUser: string): string | undefined {
  const group = security?.runAsGroup;
  const user = runAsUser === undefined ? imageUser : String(runAsUser);
  if (group !== undefined) return `${user}:${group}`;
  return runAsUser === undefined ? undefined : user;
}

const propagations = { PRIVATE: 'rprivate', HOST_TO_CONTAINER: 'rslave', BIDIRECTIONAL: 'rshared' } as const;

/** Binds make folders that are missing, as CRI has it, but cannot say paths with a colon. */
function mountsOf(mounts: readonly Mount[]): HostConfig {
  const sayable = (mount: Mount): boolean => !mount.hostPath.includes(':') && !mount.containerPath.includes(':');
  return {
    Binds: mounts.filter(sayable).map(({ hostPath, containerPath, readonly, propagation }) => {
      const mode = readonly ? 'ro' : 'rw';
      return `${hostPath}:${containerPath}:${mode},${propagations[propagation ?? 'PRIVATE']}`;
    }),
    Mounts: mounts
      .filter((mount) => !sayable(mount))
      .map((mount) => ({
        Type: 'bind',
        Source: mount.hostPath,
        Target: mount.containerPath,
        ReadOnly: mount.readonly,
        BindOptions: { Propagation: propagations[mount.propagation ?? 'PRIVATE'] },
      })),
  };
}

/** `/kubepods/burstable/pod1-2` is the slice `kubepods-burstable-pod1_2.slice` where systemd keeps the cgroups. */
function cgroupParent({ cgroupParent: path }: StoredSandbox, { cgroupDriver }: EngineTraits): HostConfig {
  if (!path || cgroupDriver === 'none') return {};
  if (cgroupDriver !== 'systemd') return { CgroupParent: path };
  const parts = path.split('/').filter((part) => part !== '');
  return { CgroupParent: `${parts.map((part) => part.replaceAll('-', '_')).join('-')}.slice` };
}

/** The text of `/etc/resolv.conf`. */
export function resolvConf({ servers, searches, options }: DnsConfig): string {
  return [
    ...(searches.length > 0 ? [`search ${searches.join(' ')}`] : []),
    ...servers.map((server) => `nameserver ${server}`),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
  ]
    .map((line) => `${line}\n`)
    .join('');
}
