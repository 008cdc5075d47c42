import { expect, it } from 'vitest';
import { parseFlow, staleFlows } from './udp-conntrack.ts';
import type { ServiceRule } from '../service-rules.ts';

const line =
  'udp      17 28 src=10.244.1.2 dst=10.96.0.10 sport=40000 dport=53 src=10.244.1.9 dst=10.244.1.2 sport=5353 dport=40000 [ASSURED] mark=0 use=1';
const unreplied =
  'udp      17 28 src=10.244.1.2 dst=10.96.0.10 sport=40001 dport=53 [UNREPLIED] src=10.96.0.10 dst=10.244.1.2 sport=53 dport=40001 mark=0 use=1';

it('reads what conntrack lists', () => {
  expect(parseFlow(line)).toEqual({
    client: { ip: '10.244.1.2', port: 40000 },
    target: { ip: '10.96.0.10', port: 53 },
    backend: { ip: '10.244.1.9', port: 5353 },
  });
  expect(parseFlow(unreplied)?.backend).toEqual({ ip: '10.96.0.10', port: 53 });
  expect(parseFlow('conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.')).toBeUndefined();
});

it('finds conversations whose backend is not one of the service', () => {
  const flows = [line, unreplied].flatMap((one) => parseFlow(one) ?? []);
  const backends = [{ ip: '10.244.1.9', port: 5353 }];
  const rule: ServiceRule = {
    ...{ service: 'kube-system/kube-dns', portName: 'dns', protocol: 'UDP', port: 53, loadBalancerIPs: [] },
    ...{ addresses: ['10.96.0.10'], clusterIPs: ['10.96.0.10'], loadBalancerSourceRanges: [], localReady: [] },
    ...{ internal: backends, external: backends, cluster: backends, possiblyHere: [] },
    ...{ internalTrafficPolicy: 'Cluster', externalTrafficPolicy: 'Cluster' },
  };
  expect(staleFlows(flows, [rule]).map((flow) => flow.client.port)).toEqual([40001]);
  expect(staleFlows(flows, [{ ...rule, cluster: [], internal: [], external: [] }])).toHaveLength(2);
  expect(staleFlows(flows, [{ ...rule, addresses: ['10.96.0.11'] }])).toEqual([]);
});
