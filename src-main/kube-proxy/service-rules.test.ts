import { describe, expect, it } from 'vitest';
import type { EndpointSlice, Service, ServiceSpec } from '#api/gen/types';
import { serviceRules } from './service-rules.ts';

function service(spec: Partial<ServiceSpec>): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.96.0.5',
      clusterIPs: ['10.96.0.5'],
      ports: [{ port: 80, protocol: 'TCP' }],
      ...spec,
    },
  };
}

const slice: EndpointSlice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1', namespace: 'default' },
  addressType: 'IPv4',
  ports: [{ port: 8080, protocol: 'TCP', name: '' }],
  endpoints: [
    { addresses: ['10.244.1.2'], nodeName: 'worker-1', conditions: { ready: true, serving: true } },
    { addresses: ['10.244.2.2'], nodeName: 'worker-2', conditions: { ready: true, serving: true } },
    { addresses: ['10.244.2.3'], nodeName: 'worker-2', conditions: { ready: false, serving: true, terminating: true } },
    { addresses: ['10.244.2.4'], nodeName: 'worker-2', conditions: { ready: false, serving: false } },
  ],
};

function only(spec: Partial<ServiceSpec>, slices: readonly EndpointSlice[] = [slice]): ReturnType<typeof serviceRules> {
  return serviceRules([service(spec)], () => slices, { nodeName: 'worker-1' });
}

describe('serviceRules', () => {
  it('sends traffic to ready endpoints only', () => {
    const [rule] = only({});
    expect(rule?.internal).toEqual([
      { ip: '10.244.1.2', port: 8080 },
      { ip: '10.244.2.2', port: 8080 },
    ]);
  });

  it('falls back to endpoints that serve while they terminate', () => {
    const terminating = { ...slice, endpoints: (slice.endpoints ?? []).slice(2) };
    expect(only({}, [terminating])[0]?.internal).toEqual([{ ip: '10.244.2.3', port: 8080 }]);
  });

  it('keeps to the node where a policy says Local', () => {
    const [rule] = only({
      type: 'NodePort',
      externalTrafficPolicy: 'Local',
      ports: [{ port: 80, nodePort: 30001, protocol: 'TCP' }],
    });
    expect(rule).toMatchObject({ nodePort: 30001, external: [{ ip: '10.244.1.2', port: 8080 }] });
    expect(rule?.internal).toHaveLength(2);
  });

  it('has none for headless and ExternalName services', () => {
    expect(only({ clusterIP: 'None' })).toEqual([]);
    expect(only({ type: 'ExternalName', externalName: 'example.org' })).toEqual([]);
  });

  it('uses the affinity timeout, with upstream default', () => {
    expect(only({ sessionAffinity: 'ClientIP' })[0]?.affinitySeconds).toBe(10800);
    expect(only({})[0]?.affinitySeconds).toBeUndefined();
  });

  it('leaves out endpoints on nodes that no packet of this one reaches', () => {
    const view = { nodeName: 'worker-1', reachable: (name: string) => name !== 'worker-2' };
    const [rule] = serviceRules([service({})], () => [slice], view);
    expect(rule?.internal).toEqual([{ ip: '10.244.1.2', port: 8080 }]);
    expect(rule?.cluster).toEqual(rule?.internal);
  });

  it('keeps endpoints that name no node', () => {
    const manual = { ...slice, endpoints: [{ addresses: ['172.30.0.2'] }] };
    const view = { nodeName: 'worker-1', reachable: () => false };
    expect(serviceRules([service({})], () => [manual], view)[0]?.internal).toEqual([{ ip: '172.30.0.2', port: 8080 }]);
  });

  it('tells cluster addresses from those of load balancers, and leaves out the ones a balancer proxies', () => {
    const balanced = service({ type: 'LoadBalancer', externalIPs: ['192.0.2.1'] });
    const status = { loadBalancer: { ingress: [{ ip: '192.0.2.9' }, { ip: '192.0.2.10', ipMode: 'Proxy' }] } };
    const [rule] = serviceRules([{ ...balanced, status }], () => [slice], { nodeName: 'worker-1' });
    expect(rule).toMatchObject({
      addresses: ['10.96.0.5', '192.0.2.1', '192.0.2.9'],
      clusterIPs: ['10.96.0.5'],
      loadBalancerIPs: ['192.0.2.9'],
      localReady: ['10.244.1.2'],
      possiblyHere: ['10.244.1.2'],
    });
  });
});
