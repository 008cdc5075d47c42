import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { arch, cpus, networkInterfaces, totalmem } from 'node:os';
import type { MachineFacts } from '#kubelet/options';
import type { AgentConfig } from './agent-config.ts';

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' };

/**
 * What is true of this machine, by its own `/proc`, as the driver's limits narrow it. Its address is read anew each time: a
 * network gives it another while it runs. Throws when it has none to begin with.
 */
export function readMachineFacts(config: AgentConfig, containerRuntimeVersion: string): MachineFacts {
  const machineID = firstLine('/etc/machine-id');
  const first = defaultRouteAddress();
  if (first === undefined)
    throw new Error('this machine has no IPv4 address besides the loopback: connect it to a network');
  let address = first;
  const bootID = firstLine('/proc/sys/kernel/random/boot_id');
  return {
    cpus: config.cpus ?? cpus().length,
    memoryBytes: config.memoryBytes ?? memoryOf(),
    ...(config.maxPods === undefined ? {} : { maxPods: config.maxPods }),
    ephemeralStorageBytes: storageBytes('/var/lib/kubelet'),
    get internalIP() {
      address = defaultRouteAddress() ?? address;
      return address;
    },
    hostname: config.nodeName,
    osImage: osImage(),
    kernelVersion: firstLine('/proc/sys/kernel/osrelease') ?? '',
    containerRuntimeVersion,
    architecture: architectures[arch()] ?? arch(),
    ...(machineID ? { machineID } : {}),
    ...(bootID ? { bootID } : {}),
  };
}

function firstLine(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  return readFileSync(path, 'utf8').split('\n')[0]?.trim() || undefined;
}

/** What the machine has, or what the cgroup it runs in lets it have. */
function memoryOf(): number {
  const limits = ['/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/memory.max'].map((path) =>
    Number(firstLine(path)),
  );
  return Math.min(totalmem(), ...limits.filter((limit) => Number.isFinite(limit) && limit > 0));
}

/** Size of the file system that `path` (or its nearest parent that exists) lies on, in bytes. */
function storageBytes(path: string): number {
  const there = existsSync(path) ? path : '/';
  const { blocks, bsize } = statfsSync(there);
  return blocks * bsize;
}

function osImage(): string {
  const line = readFileSync('/etc/os-release', 'utf8')
    .split('\n')
    .find((text) => text.startsWith('PRETTY_NAME='));
  return line?.slice('PRETTY_NAME='.length).replaceAll('"', '') ?? 'Linux';
}

/** The IPv4 address of the device that the default route leaves by, or of the first device that is not the loopback. */
function defaultRouteAddress(): string | undefined {
  const addresses = networkInterfaces();
  const routes = readFileSync('/proc/net/route', 'utf8').split('\n').slice(1);
  const device = routes.map((line) => line.split('\t')).find(([, destination]) => destination === '00000000')?.[0];
  const candidates = [
    ...(device ? (addresses[device] ?? []) : []),
    ...Object.values(addresses).flatMap((list) => list ?? []),
  ];
  return candidates.find((address) => address.family === 'IPv4' && !address.internal)?.address;
}
