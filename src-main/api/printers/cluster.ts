import type {
  ClusterRole,
  ClusterRoleBinding,
  EndpointSlice,
  EventsV1Event,
  Lease,
  PriorityClass,
  Role,
  RoleBinding,
} from '#api/gen/types';
import type { KubeObject } from '../machinery/object.ts';
import type { Column } from './columns.ts';
import { abbreviated, ageColumn, integer, nameColumn, text, truth, wide } from './common.ts';
import { eventColumns } from './core.ts';

export const endpointSliceColumns: readonly Column<EndpointSlice>[] = [
  nameColumn,
  text('AddressType', 'Kind of its addresses.', ({ addressType }) => addressType),
  text('Ports', 'Ports of the endpoints.', ({ ports = [] }) =>
    abbreviated(
      ports.map(({ port, name }) => (port !== undefined ? String(port) : name || '*')),
      3,
      '<unset>',
    ),
  ),
  text('Endpoints', 'First address of each endpoint.', ({ endpoints }) =>
    abbreviated(
      (endpoints ?? []).map(({ addresses }) => addresses[0] ?? ''),
      3,
      '<unset>',
    ),
  ),
  ageColumn,
];

export const leaseColumns: readonly Column<Lease>[] = [
  nameColumn,
  text('Holder', 'Who holds the lease.', ({ spec }) => spec.holderIdentity ?? ''),
  ageColumn,
];

/** Columns of events.k8s.io Events: those of v1 Events, on the object in its v1 form. */
export function eventsV1Columns(toCore: (event: EventsV1Event) => KubeObject): readonly Column<EventsV1Event>[] {
  // The stored form of an events.k8s.io Event is a v1 Event, which is what the columns of v1 read.
  return eventColumns.map((column) => ({
    ...column,
    cell: (event, context) => column.cell(toCore(event) as never, context),
  }));
}

export const priorityClassColumns: readonly Column<PriorityClass>[] = [
  nameColumn,
  integer('Value', 'The priority its pods get.', ({ value }) => value ?? 0),
  truth('Global-Default', 'Whether pods that name none get it.', ({ globalDefault }) => globalDefault ?? false),
  ageColumn,
  text('PreemptionPolicy', 'Whether its pods displace others.', ({ preemptionPolicy }) => preemptionPolicy ?? ''),
];

/** Kinds without a printer of their own show when they were created. */
export const createdAt: Column = {
  ...ageColumn,
  name: 'Created At',
  type: 'date',
  description: 'When the object was created.',
  cell: ({ metadata }: KubeObject) => metadata.creationTimestamp ?? '<unknown>',
};

export const roleColumns: readonly Column<Role>[] = [nameColumn, createdAt];
export const clusterRoleColumns: readonly Column<ClusterRole>[] = [nameColumn, createdAt];

function subjects(binding: RoleBinding | ClusterRoleBinding, kind: string): string {
  return (binding.subjects ?? [])
    .filter((subject) => subject.kind === kind)
    .map(({ namespace, name }) => (kind === 'ServiceAccount' ? `${namespace ?? ''}/${name}` : name))
    .join(', ');
}

function bindingColumns<T extends RoleBinding | ClusterRoleBinding>(): readonly Column<T>[] {
  return [
    nameColumn,
    text('Role', 'The role that is granted.', ({ roleRef }) => `${roleRef.kind}/${roleRef.name}`),
    ageColumn,
    wide(text('Users', 'Users it is granted to.', (binding) => subjects(binding, 'User'))),
    wide(text('Groups', 'Groups it is granted to.', (binding) => subjects(binding, 'Group'))),
    wide(
      text('ServiceAccounts', 'Service accounts it is granted to.', (binding) => subjects(binding, 'ServiceAccount')),
    ),
  ];
}

export const roleBindingColumns = bindingColumns<RoleBinding>();
export const clusterRoleBindingColumns = bindingColumns<ClusterRoleBinding>();
