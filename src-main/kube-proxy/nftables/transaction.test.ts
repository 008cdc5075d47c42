import { describe, expect, it } from 'vitest';
import type { ServiceRule } from '../service-rules.ts';
import { RulesetCompiler } from './compiler.ts';
import type { NodeNetwork } from './ruleset.ts';
import { difference, fullSync } from './transaction.ts';

const network: NodeNetwork = {
  ...{ clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16', nodeIPs: ['172.18.0.2'] },
  localhostNodePorts: false,
};
const a = { ip: '10.244.1.2', port: 8080 };
const b = { ip: '10.244.2.2', port: 8080 };

function rule(change: Partial<ServiceRule> = {}): ServiceRule {
  return {
    ...{ service: 'default/web', portName: 'http', protocol: 'TCP', port: 80 },
    ...{ addresses: ['10.96.0.5'], clusterIPs: ['10.96.0.5'], loadBalancerIPs: [], loadBalancerSourceRanges: [] },
    ...{ internal: [a, b], external: [a, b], cluster: [a, b], possiblyHere: [a.ip], localReady: [a.ip] },
    ...{ internalTrafficPolicy: 'Cluster', externalTrafficPolicy: 'Cluster' },
    ...change,
  };
}

const compile = (...rules: readonly ServiceRule[]) => new RulesetCompiler(network).compile(rules);

describe('fullSync', () => {
  it('declares, fills, and empties what is there', () => {
    const ruleset = compile(rule());
    const fresh = fullSync(ruleset, { chains: new Set(), sets: new Set() });
    expect(fresh.text).not.toMatch(/flush|delete/);
    expect(fresh.stale).toEqual([]);
    const old = 'service-ABCDEFGH-default/old/tcp/';
    const again = fullSync(ruleset, {
      chains: new Set(['services', old]),
      sets: new Set(['service-ips', 'affinity-X']),
    });
    expect(again.text).toContain(`flush chain ip kube-proxy ${old}`);
    expect(again.text).toContain('flush map ip kube-proxy service-ips');
    expect(again.text).toContain('delete set ip kube-proxy affinity-X');
    expect(again.stale).toEqual([old]);
  });
});

describe('difference', () => {
  it('is nothing between equal rule sets', () => {
    expect(difference(compile(rule()), compile(rule()))).toEqual({ text: '', stale: [] });
  });

  it('rewrites one chain when endpoints change', () => {
    const fewer = rule({ internal: [b], external: [b], cluster: [b] });
    const lines = difference(compile(rule()), compile(fewer)).text.trim().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^flush chain ip kube-proxy service-[A-Z2-7]{8}-default\/web\/tcp\/http$/);
    expect(lines[1]).toMatch(/ meta l4proto tcp dnat to 10\.244\.2\.2:8080$/);
  });

  it('turns a service without endpoints into a refusal, and its chain stale', () => {
    const none = rule({ internal: [], external: [], cluster: [], possiblyHere: [] });
    const { text, stale } = difference(compile(rule()), compile(none));
    expect(text).toContain('delete element ip kube-proxy service-ips { 10.96.0.5 . tcp . 80 : goto service-');
    expect(text).toContain(
      'add element ip kube-proxy no-endpoint-services { 10.96.0.5 . tcp . 80 : goto reject-chain }',
    );
    expect(stale).toHaveLength(1);
  });

  it('gives an address that two services claim to the first, and to the second when the first goes', () => {
    const second = rule({ service: 'default/zzz' });
    const both = compile(rule(), second);
    expect(both.elements['service-ips'].get('10.96.0.5 . tcp . 80')).toContain('default/web');
    expect(difference(both, compile(second)).text).toMatch(/add element ip kube-proxy service-ips .*default\/zzz/);
  });

  it('leaves out addresses that are not IPv4', () => {
    const dual = rule({ addresses: ['10.96.0.5', 'fd00::5'], clusterIPs: ['10.96.0.5', 'fd00::5'] });
    expect(fullSync(compile(dual), { chains: new Set(), sets: new Set() }).text).not.toContain('fd00');
  });
});
