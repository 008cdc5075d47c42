import type {
  ConfigMap,
  CoreV1Event,
  Endpoints,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
} from '#api/gen/types';
import { formatLabels } from '../machinery/labels.ts';
import { findCondition } from '../machinery/meta.ts';
import type { Column } from './columns.ts';
import { abbreviated, ageColumn, nameColumn, text, wide } from './common.ts';
import { since } from './duration.ts';

function externalAddress(service: Service): string {
  const { type, externalIPs = [], externalName } = service.spec;
  if (type === 'ExternalName') return externalName ?? '';
  if (type !== 'LoadBalancer') return externalIPs.length > 0 ? externalIPs.join(',') : '<none>';
  const balanced = (service.status?.loadBalancer?.ingress ?? []).map((one) => one.ip || one.hostname || '');
  return [...new Set(balanced)].filter(Boolean).sort().concat(externalIPs).join(',') || '<pending>';
}

function servicePorts(service: Service): string {
  const ports = service.spec.ports ?? [];
  if (ports.length === 0) return '<none>';
  return ports
    .map(({ port, nodePort, protocol = 'TCP' }) =>
      nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
    )
    .join(',');
}

export const serviceColumns: readonly Column<Service>[] = [
  nameColumn,
  text('Type', 'How the service is reached.', ({ spec }) => spec.type ?? ''),
  text('Cluster-IP', 'Address inside the cluster.', ({ spec }) => spec.clusterIPs?.[0] || spec.clusterIP || '<none>'),
  text('External-IP', 'Addresses outside the cluster.', externalAddress),
  text('Port(s)', 'Ports, node ports and protocols.', servicePorts),
  ageColumn,
  wide(text('Selector', 'Labels that select its pods.', ({ spec }) => formatLabels(spec.selector))),
];

export const endpointsColumns: readonly Column<Endpoints>[] = [
  nameColumn,
  text('Endpoints', 'Addresses that are ready.', ({ subsets = [] }) => {
    if (subsets.length === 0) return '<none>';
    const all = subsets.flatMap(({ addresses = [], ports = [] }) =>
      ports.length === 0
        ? addresses.map(({ ip }) => ip)
        : ports.flatMap(({ port }) => addresses.map(({ ip }) => `${ip.includes(':') ? `[${ip}]` : ip}:${port}`)),
    );
    return abbreviated(all, 3, '');
  }),
  ageColumn,
];

const rolePrefix = 'node-role.kubernetes.io/';

function nodeRoles(node: Node): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    else if (key === 'kubernetes.io/role' && value !== '') roles.add(value);
  }
  return roles.size === 0 ? '<none>' : [...roles].sort().join(',');
}

function nodeStatus(node: Node): string {
  const ready = findCondition(node.status?.conditions, 'Ready');
  const status = !ready ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return node.spec.unschedulable ? `${status},SchedulingDisabled` : status;
}

const nodeAddress = (node: Node, type: string): string =>
  node.status?.addresses?.find((address) => address.type === type)?.address ?? '<none>';

export const nodeColumns: readonly Column<Node>[] = [
  nameColumn,
  text('Status', 'Whether the node is ready, and takes pods.', nodeStatus),
  text('Roles', 'Roles from the labels of the node.', nodeRoles),
  ageColumn,
  text('Version', 'Version of the kubelet.', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
  wide(text('Internal-IP', 'Address inside the cluster.', (node) => nodeAddress(node, 'InternalIP'))),
  wide(text('External-IP', 'Address outside the cluster.', (node) => nodeAddress(node, 'ExternalIP'))),
  wide(text('OS-Image', 'Operating system.', ({ status }) => status?.nodeInfo?.osImage || '<unknown>')),
  wide(text('Kernel-Version', 'Kernel of the node.', ({ status }) => status?.nodeInfo?.kernelVersion || '<unknown>')),
  wide(
    text(
      'Container-Runtime',
      'Runtime and its version.',
      ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>',
    ),
  ),
];

const firstSeen = (event: CoreV1Event, nowMs: number): string => since(event.firstTimestamp ?? event.eventTime, nowMs);

function lastSeen(event: CoreV1Event, nowMs: number): string {
  if (event.series) return since(event.series.lastObservedTime, nowMs);
  return event.lastTimestamp ? since(event.lastTimestamp, nowMs) : firstSeen(event, nowMs);
}

export const eventColumns: readonly Column<CoreV1Event>[] = [
  text('Last Seen', 'Time since it last happened.', (event, { nowMs }) => lastSeen(event, nowMs)),
  text('Type', 'Normal or Warning.', ({ type }) => type ?? ''),
  text('Reason', 'Machine-readable reason.', ({ reason }) => reason ?? ''),
  text('Object', 'What it is about.', ({ involvedObject: { kind = '', name } }) =>
    name ? `${kind.toLowerCase()}/${name}` : kind.toLowerCase(),
  ),
  wide(text('Subobject', 'Which part of the object.', ({ involvedObject }) => involvedObject.fieldPath ?? '')),
  wide(
    text('Source', 'Who reported it.', ({ source, reportingComponent }) =>
      [source?.component || reportingComponent || '', source?.host ?? ''].filter(Boolean).join(', '),
    ),
  ),
  text('Message', 'What happened.', ({ message }) => (message ?? '').trim()),
  wide(text('First Seen', 'Time since it first happened.', (event, { nowMs }) => firstSeen(event, nowMs))),
  wide(text('Count', 'How often it happened.', ({ series, count }) => String(series?.count ?? (count || 1)))),
  wide(text('Name', 'Name of the event.', ({ metadata }) => metadata.name ?? '')),
];

export const namespaceColumns: readonly Column<Namespace>[] = [
  nameColumn,
  text('Status', 'Whether it is active or being deleted.', ({ status }) => status?.phase ?? ''),
  ageColumn,
];

const count = (record: object | undefined): number => Object.keys(record ?? {}).length;

export const secretColumns: readonly Column<Secret>[] = [
  nameColumn,
  text('Type', 'What the secret is for.', ({ type }) => type ?? ''),
  text('Data', 'Number of entries.', ({ data }) => count(data)),
  ageColumn,
];

export const configMapColumns: readonly Column<ConfigMap>[] = [
  nameColumn,
  text('Data', 'Number of entries.', ({ data, binaryData }) => count(data) + count(binaryData)),
  ageColumn,
];

export const serviceAccountColumns: readonly Column<ServiceAccount>[] = [nameColumn, ageColumn];
const quotaText = (quota: ResourceQuota, limits: boolean): string =>
  Object.entries(quota.status?.hard ?? {})
    .filter(([name]) => name.startsWith('limits.') === limits)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => `${name}: ${quota.status?.used?.[name] ?? '0'}/${hard}`)
    .join(', ');

export const resourceQuotaColumns: readonly Column<ResourceQuota>[] = [
  nameColumn,
  text('Request', 'Requests used, of those allowed.', (quota) => quotaText(quota, false)),
  text('Limit', 'Limits used, of those allowed.', (quota) => quotaText(quota, true)),
  ageColumn,
];

const accessModeNames: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};
const accessModes = (modes: readonly string[] | undefined): string =>
  Object.entries(accessModeNames)
    .filter(([mode]) => modes?.includes(mode))
    .map(([, short]) => short)
    .join(',');

export const persistentVolumeColumns: readonly Column<PersistentVolume>[] = [
  nameColumn,
  text('Capacity', 'Size of the volume.', ({ spec }) => spec?.capacity?.['storage'] ?? ''),
  text('Access Modes', 'How it may be mounted.', ({ spec }) => accessModes(spec?.accessModes)),
  text('Reclaim Policy', 'What happens when it is released.', ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? ''),
  text('Status', 'Phase of the volume.', ({ metadata, status }) =>
    metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
  ),
  text('Claim', 'The claim it is bound to.', ({ spec }) =>
    spec?.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '',
  ),
  text('StorageClass', 'Its storage class.', ({ spec }) => spec?.storageClassName ?? ''),
  text('VolumeAttributesClass', 'Its attributes class.', ({ spec }) => spec?.volumeAttributesClassName ?? '<unset>'),
  text('Reason', 'Why it is in its phase.', ({ status }) => status?.reason ?? ''),
  ageColumn,
  wide(text('VolumeMode', 'Filesystem or block.', ({ spec }) => spec?.volumeMode ?? '<unset>')),
];

export const persistentVolumeClaimColumns: readonly Column<PersistentVolumeClaim>[] = [
  nameColumn,
  text('Status', 'Phase of the claim.', ({ metadata, status }) =>
    metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
  ),
  text('Volume', 'The volume it is bound to.', ({ spec }) => spec?.volumeName ?? ''),
  text('Capacity', 'Size of the bound volume.', ({ spec, status }) =>
    spec?.volumeName ? (status?.capacity?.['storage'] ?? '') : '',
  ),
  text('Access Modes', 'How it may be mounted.', ({ spec, status }) =>
    spec?.volumeName ? accessModes(status?.accessModes) : '',
  ),
  text('StorageClass', 'Its storage class.', ({ spec }) => spec?.storageClassName ?? ''),
  text('VolumeAttributesClass', 'Its attributes class.', ({ spec }) => spec?.volumeAttributesClassName ?? '<unset>'),
  ageColumn,
  wide(text('VolumeMode', 'Filesystem or block.', ({ spec }) => spec?.volumeMode ?? '<unset>')),
];
