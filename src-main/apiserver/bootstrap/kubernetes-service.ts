import type { Endpoints, EndpointSlice, Service } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import type { PostStartHook } from '../api-server.ts';
import { ensureObjects, reconcileObject } from './ensure-objects.ts';

export interface KubernetesServiceOptions {
  /** The first address of the service range: `10.96.0.1`. */
  readonly clusterIp: string;
  /** Where pods and nodes reach the API servers of the cluster. */
  readonly endpoints: readonly { readonly ip: string; readonly port: number }[];
}

const identity = { name: 'kubernetes', namespace: 'default' } as const;

/** Keeps the Service `kubernetes` and where it leads (upstream: the kubernetesservice controller, release 1.36). */
export function kubernetesService({ clusterIp, endpoints }: KubernetesServiceOptions): PostStartHook {
  const port = endpoints[0]?.port ?? 6443;
  const service: Service & KubeObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...identity, labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterIp,
      clusterIPs: [clusterIp],
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: port }],
      sessionAffinity: 'None',
    },
  };
  const addresses = endpoints.map(({ ip }) => ip).sort();
  const target: Endpoints & KubeObject = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...identity, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports: [{ name: 'https', port, protocol: 'TCP' }] }],
  };
  const slice: EndpointSlice & KubeObject = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...identity, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: addresses.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  };
  return async (context, handler) => {
    await ensureObjects([service])(context, handler);
    await Promise.all([
      reconcileObject(context, handler, target, ['subsets']),
      reconcileObject(context, handler, slice, ['endpoints', 'ports']),
    ]);
  };
}
