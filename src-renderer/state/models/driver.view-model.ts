import type { NewStore } from '#contract/calls';
import type { LabDriver } from '#contract/labs';
import type { DockerCheck } from '#contract/machines';

/** What one Docker node may take. */
export interface SizeLimits {
  readonly cpus: number;
  readonly minMemoryMib: number;
  readonly memoryMib: number;
}

/** containerd, kubelet, kube-proxy and the network agent need this much before the first pod. */
const leastMemoryMib = 512;

/** A node may have what the Engine's machine has; several nodes may be promised more than that in all, as with any limits. */
export function sizeLimits(docker: DockerCheck | undefined): SizeLimits {
  return {
    cpus: Math.max(1, docker?.cpus ?? 64),
    minMemoryMib: leastMemoryMib,
    memoryMib: Math.max(leastMemoryMib, Math.floor((docker?.memoryBytes ?? 256 * 1024 ** 3) / 1024 ** 2)),
  };
}

/** A word of caution when the nodes together are promised more memory than there is; undefined when they fit. */
export function overcommitted(workers: number, memoryMib: number, docker: DockerCheck | undefined): string | undefined {
  if (docker?.memoryBytes === undefined) return undefined;
  const thereMib = Math.floor(docker.memoryBytes / 1024 ** 2);
  const wantedMib = workers * memoryMib;
  if (wantedMib <= thereMib) return undefined;
  return `${workers} nodes of ${memoryMib} Mi are ${wantedMib} Mi, Docker’s machine has ${thereMib}: full nodes would be killed`;
}

interface NodeSize {
  readonly cpus?: number;
  readonly memoryBytes?: number;
}

export function createCommand(
  name: string,
  driver: LabDriver,
  counts: { readonly masters: number; readonly workers: number },
  size: NodeSize,
  store?: NewStore,
): string {
  const driven = driver === 'embedded' ? '' : ` --driver ${driver}`;
  const masters = counts.masters === 1 ? '' : ` --masters ${counts.masters}`;
  return `drydock up --name ${name}${driven}${masters} --workers ${counts.workers}${sizeFlags(size)}${storeFlags(store)}`;
}

export function addCommand(lab: string, node: string, driver: LabDriver, size: NodeSize): string {
  return `drydock node add${node === '' ? '' : ` ${node}`} --driver ${driver}${sizeFlags(size)} --name ${lab}`;
}

function storeFlags(store: NewStore | undefined): string {
  if (!store) return '';
  if (store.kind === 'local') return ` --etcd local:${store.members}`;
  const files = (['ca', 'cert', 'key'] as const).map((name) =>
    store[name] === undefined ? '' : ` --etcd-${name} ${store[name]}`,
  );
  return ` --etcd-endpoints ${store.endpoints.join(',')}${files.join('')}`;
}

function sizeFlags({ cpus, memoryBytes }: NodeSize): string {
  const cpu = cpus === undefined ? '' : ` --cpus ${cpus}`;
  return `${cpu}${memoryBytes === undefined ? '' : ` --memory ${Math.round(memoryBytes / 1024 ** 2)}Mi`}`;
}
