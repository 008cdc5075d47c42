import type { Endpoint, EndpointSlice, Service, ServiceSpec } from '#api/gen/types';
import { serviceRules, type ServiceRule } from '#kube-proxy/service-rules';

/** The node of {@link TestNode} under test; endpoints elsewhere are on `other`. */
export const thisNode = 'node';

export const podA: Endpoint = { addresses: ['10.244.1.2'], nodeName: thisNode };
export const podB: Endpoint = { addresses: ['10.244.1.3'], nodeName: thisNode };
export const other: Endpoint = { addresses: ['10.244.2.2'], nodeName: 'other' };

export interface Given {
  readonly name: string;
  readonly clusterIP: string;
  readonly endpoints: readonly Endpoint[];
  readonly spec?: Partial<ServiceSpec>;
  readonly loadBalancerIP?: string;
  readonly protocol?: 'TCP' | 'UDP';
  readonly nodePort?: number;
}

function service({ name, clusterIP, spec, loadBalancerIP, protocol = 'TCP', nodePort }: Given): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: {
      ...{ type: 'ClusterIP', clusterIP, clusterIPs: [clusterIP] },
      ports: [{ port: 80, protocol, ...(nodePort ? { nodePort } : {}) }],
      ...spec,
    },
    ...(loadBalancerIP ? { status: { loadBalancer: { ingress: [{ ip: loadBalancerIP }] } } } : {}),
  };
}

function slice({ name, endpoints, protocol = 'TCP' }: Given): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default' },
    addressType: 'IPv4',
    ports: [{ port: 8080, protocol, name: '' }],
    endpoints,
  };
}

/** What kube-proxy makes of these Services on {@link thisNode}. */
export function rulesFor(...services: readonly Given[]): readonly ServiceRule[] {
  return services.flatMap((given) => serviceRules([service(given)], () => [slice(given)], { nodeName: thisNode }));
}
