import type { Ingress, IngressClass, NetworkPolicy } from '#api/gen/types';
import { formatLabelSelector } from '../machinery/labels.ts';
import type { Column } from './columns.ts';
import { ageColumn, nameColumn, text } from './common.ts';

/** Columns of networking.k8s.io (`printersinternal.AddHandlers`, release 1.36). */

export const networkPolicyColumns: readonly Column<NetworkPolicy>[] = [
  nameColumn,
  text('Pod-Selector', 'The pods it applies to.', ({ spec }) => formatLabelSelector(spec?.podSelector)),
  ageColumn,
];

const shownHosts = 3;
const addressWidth = 16;

function hosts({ spec }: Ingress): string {
  const all = (spec?.rules ?? []).map(({ host }) => host || '*');
  if (all.length === 0) return '*';
  const shown = all.slice(0, shownHosts).join(',');
  return all.length > shownHosts ? `${shown} + ${all.length - shownHosts} more...` : shown;
}

function addresses({ status }: Ingress): string {
  const all = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '');
  const joined = [...new Set(all)].join(',');
  return joined.length > addressWidth ? `${joined.slice(0, addressWidth - 3)}...` : joined;
}

export const ingressColumns: readonly Column<Ingress>[] = [
  nameColumn,
  text(
    'Class',
    'Who serves it.',
    ({ metadata, spec }) => spec?.ingressClassName ?? metadata.annotations?.['kubernetes.io/ingress.class'] ?? '<none>',
  ),
  text('Hosts', 'Names it answers to.', hosts),
  text('Address', 'Where it is reached.', addresses),
  text('Ports', 'Ports it answers on.', ({ spec }) => ((spec?.tls ?? []).length > 0 ? '80, 443' : '80')),
  ageColumn,
];

export const ingressClassColumns: readonly Column<IngressClass>[] = [
  nameColumn,
  text('Controller', 'The program that serves this class.', ({ spec }) => spec?.controller ?? ''),
  text('Parameters', 'Where its settings are.', ({ spec }) => {
    if (!spec?.parameters) return '<none>';
    const { kind, apiGroup, name } = spec.parameters;
    return `${kind}${apiGroup ? `.${apiGroup}` : ''}/${name}`;
  }),
  ageColumn,
];
