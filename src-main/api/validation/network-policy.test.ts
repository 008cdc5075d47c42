import { describe, expect, test } from 'vitest';
import type { NetworkPolicy, NetworkPolicySpec } from '#api/gen/types';
import { defaultNetworkPolicy } from '../defaults/networking.ts';
import { errorText } from './errors.ts';
import { validateNetworkPolicy } from './network-policy.ts';

function policy(spec: NetworkPolicySpec): NetworkPolicy {
  const metadata = { name: 'p', namespace: 'default' };
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec };
}
const errorsOf = (spec: NetworkPolicySpec): readonly string[] => validateNetworkPolicy(policy(spec)).map(errorText);

describe('network policies', () => {
  test('policyTypes follow the rules that are there, ports are TCP', () => {
    expect(defaultNetworkPolicy(policy({ podSelector: {} })).spec.policyTypes).toEqual(['Ingress']);
    const both = defaultNetworkPolicy(policy({ podSelector: {}, egress: [{ ports: [{ port: 53 }] }] })).spec;
    expect(both.policyTypes).toEqual(['Ingress', 'Egress']);
    expect(both.egress).toEqual([{ ports: [{ port: 53, protocol: 'TCP' }] }]);
    const settled = policy({ podSelector: {}, policyTypes: ['Egress'] });
    expect(defaultNetworkPolicy(settled)).toBe(settled);
  });

  test('what Kubernetes takes is taken', () => {
    const spec: NetworkPolicySpec = {
      podSelector: { matchLabels: { app: 'web' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [
            { podSelector: {}, namespaceSelector: {} },
            { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
            { ipBlock: { cidr: 'fd00::/8', except: ['fd00:1::/32', 'fd00::1.2.3.0/120'] } },
          ],
          ports: [{ port: 80, endPort: 90, protocol: 'UDP' }, { port: 'http' }, {}],
        },
      ],
    };
    expect(errorsOf(spec)).toEqual([]);
  });

  test.each<readonly [NetworkPolicySpec, string]>([
    [
      { policyTypes: ['Ingress', 'Egress', 'Ingress'] },
      'spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes',
    ],
    [
      { policyTypes: ['Both'] },
      'spec.policyTypes[0]: Unsupported value: "Both": supported values: "Ingress", "Egress"',
    ],
    [{ ingress: [{ from: [{}] }] }, 'spec.ingress[0].from[0]: Required value: must specify a peer'],
    [
      { egress: [{ to: [{ podSelector: {}, ipBlock: { cidr: '0.0.0.0/0' } }] }] },
      'spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer',
    ],
    [{ egress: [{ to: [{ ipBlock: { cidr: '' } }] }] }, 'spec.egress[0].to[0].ipBlock.cidr: Required value'],
    [
      { egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } }] }] },
      'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
    ],
    [
      { egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }] }] },
      'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
    ],
    [
      { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0' } }] }] },
      'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ],
    [
      { ingress: [{ ports: [{ port: 0 }] }] },
      'spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
    ],
    [
      { ingress: [{ ports: [{ endPort: 90 }] }] },
      'spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is not specified',
    ],
    [
      { ingress: [{ ports: [{ port: 'http', endPort: 90 }] }] },
      'spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is non-numeric',
    ],
    [
      { ingress: [{ ports: [{ port: 100, endPort: 90 }] }] },
      'spec.ingress[0].ports[0].endPort: Invalid value: 100: must be greater than or equal to `port`',
    ],
    [
      { ingress: [{ ports: [{ protocol: 'ICMP' }] }] },
      'spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
    ],
  ])('%j is turned down', (spec, text) => {
    expect(errorsOf(spec)).toEqual([text]);
  });
});
