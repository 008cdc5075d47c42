import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Namespace, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, Pod } from '#api/gen/types';
import { parseCidr, parseIpv4 } from '#base/ip';
import { changeScript, wholeScript } from './policy-script.ts';
import { policyState, type PolicyInput, type PolicyRule, type PolicyState } from './policy-state.ts';

interface Packet {
  readonly from: string;
  readonly to: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
}

function inBlock(ip: string, cidr: string): boolean {
  const block = parseCidr(cidr);
  const value = parseIpv4(ip);
  return (
    block !== undefined &&
    value !== undefined &&
    Math.floor(value / 2 ** (32 - block.prefix)) === Math.floor(block.base / 2 ** (32 - block.prefix))
  );
}

/** What the kernel does with the state, rule by rule. */
function passes(state: PolicyState, packet: Packet): boolean {
  if (packet.from === packet.to) return true;
  const matches = ({ peer, port }: PolicyRule, other: string): boolean => {
    if (peer.kind === 'set' && !state.addressSets.get(peer.set)?.has(other)) return false;
    if (peer.kind === 'block' && !(inBlock(other, peer.cidr) && !peer.except.some((one) => inBlock(other, one))))
      return false;
    switch (port.kind) {
      case 'any':
        return true;
      case 'protocol':
        return port.protocol === packet.protocol;
      case 'ranges':
        return port.protocol === packet.protocol && port.ranges.some(([a, b]) => a <= packet.port && packet.port <= b);
      case 'named':
        return Boolean(state.portSets.get(port.set)?.has(`${packet.to} . ${packet.protocol} . ${packet.port}`));
    }
  };
  const allowed = (chain: string | undefined, other: string): boolean =>
    chain === undefined || (state.chains.get(chain) ?? []).some((rule) => matches(rule, other));
  return (
    allowed(state.isolated.egress.get(packet.from), packet.to) &&
    allowed(state.isolated.ingress.get(packet.to), packet.from)
  );
}

/** The same question, answered from the documentation of NetworkPolicy, one policy after another. */
function naive({ policies, pods, namespaces, nodeName }: PolicyInput, packet: Packet): boolean {
  if (packet.from === packet.to) return true;
  const podOf = (ip: string): Pod | undefined => pods.find((pod) => pod.status?.podIP === ip);
  const labelsMatch = (
    wanted: Readonly<Record<string, string>> | undefined,
    have: Readonly<Record<string, string>> | undefined,
  ): boolean => Object.entries(wanted ?? {}).every(([key, value]) => have?.[key] === value);
  const peerMatches = (peer: NetworkPolicyPeer, ip: string, namespace: string): boolean => {
    if (peer.ipBlock)
      return inBlock(ip, peer.ipBlock.cidr) && !(peer.ipBlock.except ?? []).some((one) => inBlock(ip, one));
    const pod = podOf(ip);
    if (!pod) return false;
    const labels = namespaces.find((one) => one.metadata.name === pod.metadata.namespace)?.metadata.labels;
    const there = peer.namespaceSelector
      ? labelsMatch(peer.namespaceSelector.matchLabels, labels)
      : pod.metadata.namespace === namespace;
    return there && (!peer.podSelector || labelsMatch(peer.podSelector.matchLabels, pod.metadata.labels));
  };
  const portMatches = (port: NetworkPolicyPort): boolean => {
    if ((port.protocol ?? 'TCP').toLowerCase() !== packet.protocol) return false;
    if (port.port === undefined) return true;
    if (typeof port.port === 'number') return port.port <= packet.port && packet.port <= (port.endPort ?? port.port);
    const ports = podOf(packet.to)?.spec?.containers.flatMap((one) => one.ports ?? []) ?? [];
    return ports.some(
      (one) =>
        one.name === port.port &&
        one.containerPort === packet.port &&
        (one.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    );
  };
  const allowed = (subject: Pod | undefined, other: string, direction: 'Ingress' | 'Egress'): boolean => {
    if (subject?.spec?.nodeName !== nodeName) return true;
    const isolating = policies.filter(
      (one) =>
        one.metadata.namespace === subject.metadata.namespace &&
        labelsMatch(one.spec.podSelector?.matchLabels, subject.metadata.labels) &&
        one.spec.policyTypes?.includes(direction),
    );
    if (isolating.length === 0) return true;
    return isolating.some((one) => {
      const rules =
        direction === 'Ingress'
          ? (one.spec.ingress ?? []).map(({ from = [], ports = [] }) => ({ peers: from, ports }))
          : (one.spec.egress ?? []).map(({ to = [], ports = [] }) => ({ peers: to, ports }));
      return rules.some(
        ({ peers, ports }) =>
          (peers.length === 0 || peers.some((peer) => peerMatches(peer, other, one.metadata.namespace ?? ''))) &&
          (ports.length === 0 || ports.some(portMatches)),
      );
    });
  };
  return allowed(podOf(packet.from), packet.to, 'Egress') && allowed(podOf(packet.to), packet.from, 'Ingress');
}

const spaces = ['shop', 'bank'];
const labelsArbitrary = fc.record({ app: fc.constantFrom('web', 'db') }, { requiredKeys: [] });
const selectorArbitrary = fc.record({ matchLabels: labelsArbitrary });
const cidrs = ['10.244.0.0/16', '10.244.1.0/24', '10.244.2.4/32', '0.0.0.0/0', '203.0.113.0/24'];
const peerArbitrary: fc.Arbitrary<NetworkPolicyPeer> = fc.oneof(
  fc.record(
    { podSelector: selectorArbitrary, namespaceSelector: selectorArbitrary },
    { requiredKeys: ['podSelector'] },
  ),
  fc.record({ namespaceSelector: selectorArbitrary }),
  fc.record({
    ipBlock: fc.record({ cidr: fc.constantFrom(...cidrs), except: fc.subarray(['10.244.1.2/32', '10.244.2.0/24']) }),
  }),
);
const portArbitrary: fc.Arbitrary<NetworkPolicyPort> = fc.oneof(
  fc.record({ protocol: fc.constantFrom('TCP', 'UDP', 'SCTP') }),
  fc.record({
    protocol: fc.constantFrom('TCP', 'UDP'),
    port: fc.constantFrom<string | number>('http', 'dns', 53, 80, 443),
  }),
  fc.record({ port: fc.constantFrom(50, 80), endPort: fc.constantFrom(80, 443) }),
);
const ruleArbitrary = fc.record({
  peers: fc.array(peerArbitrary, { maxLength: 3 }),
  ports: fc.array(portArbitrary, { maxLength: 3 }),
});
const policyArbitrary = fc
  .record({
    namespace: fc.constantFrom(...spaces),
    podSelector: selectorArbitrary,
    types: fc.subarray(['Ingress', 'Egress'], { minLength: 1 }),
    ingress: fc.array(ruleArbitrary, { maxLength: 2 }),
    egress: fc.array(ruleArbitrary, { maxLength: 2 }),
  })
  .map(({ namespace, podSelector, types, ingress, egress }): NetworkPolicy => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace },
    spec: {
      podSelector,
      policyTypes: types,
      ingress: ingress.map(({ peers, ports }) => ({ from: peers, ports })),
      egress: egress.map(({ peers, ports }) => ({ to: peers, ports })),
    },
  }));

const inputArbitrary: fc.Arbitrary<PolicyInput> = fc
  .record({
    policies: fc.array(policyArbitrary, { maxLength: 4 }),
    podLabels: fc.array(labelsArbitrary, { minLength: 8, maxLength: 8 }),
    namespaceLabels: fc.tuple(labelsArbitrary, labelsArbitrary),
  })
  .map(({ policies, podLabels, namespaceLabels }) => ({
    nodeName: 'node-1',
    policies: policies.map((one, i) => ({ ...one, metadata: { ...one.metadata, name: `policy-${i}` } })),
    namespaces: spaces.map((name, i): Namespace => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      spec: {},
      metadata: { name, ...(namespaceLabels[i] ? { labels: present(namespaceLabels[i]) } : {}) },
    })),
    pods: podLabels.map((labels, i) => podAt(i, present(labels))),
  }));

function present(labels: { readonly app?: string }): Record<string, string> {
  return labels.app === undefined ? {} : { app: labels.app };
}

function podAt(i: number, labels: Record<string, string>): Pod {
  const node = 1 + (i % 2);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `pod-${i}`, namespace: spaces[i < 4 ? 0 : 1] ?? '', labels },
    spec: {
      nodeName: `node-${node}`,
      containers: [
        {
          name: 'main',
          ports: [
            { name: 'http', containerPort: i % 3 === 0 ? 80 : 443 },
            { name: 'dns', containerPort: 53, protocol: 'UDP' },
          ],
        },
      ],
    },
    status: { phase: 'Running', podIP: `10.244.${node}.${i + 2}` },
  };
}

const packetArbitrary: fc.Arbitrary<Packet> = fc.record({
  from: fc.constantFrom(
    '10.244.1.2',
    '10.244.2.3',
    '10.244.1.4',
    '10.244.2.5',
    '10.244.1.6',
    '10.244.1.8',
    '203.0.113.7',
  ),
  to: fc.constantFrom(
    '10.244.1.2',
    '10.244.2.3',
    '10.244.1.4',
    '10.244.2.5',
    '10.244.1.6',
    '10.244.1.8',
    '203.0.113.7',
  ),
  protocol: fc.constantFrom('tcp', 'udp', 'sctp'),
  port: fc.constantFrom(53, 60, 80, 443, 8080),
});

describe('policyState', () => {
  it('lets through exactly what the documentation of NetworkPolicy lets through', () => {
    let denied = 0;
    fc.assert(
      fc.property(inputArbitrary, fc.array(packetArbitrary, { minLength: 10, maxLength: 10 }), (input, packets) => {
        const state = policyState(input);
        for (const packet of packets) {
          const expected = naive(input, packet);
          if (!expected) denied++;
          expect(passes(state, packet), JSON.stringify(packet)).toBe(expected);
        }
      }),
      { numRuns: 500 },
    );
    expect(denied).toBeGreaterThan(100);
  });

  it('has nothing for pods of the host network, finished pods and pods of other nodes', () => {
    const base = podAt(0, { app: 'web' });
    const everything: NetworkPolicy = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'deny', namespace: 'shop' },
      spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
    };
    const pods: Pod[] = [
      base,
      { ...base, spec: { containers: [], nodeName: 'node-1', hostNetwork: true }, status: { podIP: '192.168.1.2' } },
      { ...base, status: { phase: 'Succeeded', podIP: '10.244.1.77' } },
      { ...base, spec: { containers: [], nodeName: 'node-9' }, status: { podIP: '10.244.9.2' } },
    ];
    const { isolated } = policyState({ nodeName: 'node-1', policies: [everything], pods, namespaces: [] });
    expect([...isolated.ingress.keys()]).toEqual(['10.244.1.2']);
    expect([...isolated.egress.keys()]).toEqual(['10.244.1.2']);
  });

  it('makes one rule and one set of a thousand pods, and one line of a pod that comes', () => {
    const policy: NetworkPolicy = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'from-web', namespace: 'shop' },
      spec: {
        podSelector: { matchLabels: { app: 'db' } },
        policyTypes: ['Ingress'],
        ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }] }],
      },
    };
    const web = (i: number): Pod => ({
      ...podAt(0, { app: 'web' }),
      metadata: { name: `web-${i}`, namespace: 'shop', labels: { app: 'web' } },
      status: { podIP: `10.244.${2 + Math.floor(i / 250)}.${1 + (i % 250)}` },
    });
    const pods = [podAt(2, { app: 'db' }), ...Array.from({ length: 1000 }, (_, i) => web(i))];
    const input = { nodeName: 'node-1', policies: [policy], pods, namespaces: [] };
    const state = policyState(input);
    expect(
      wholeScript(state)
        .split('\n')
        .filter((line) => line.startsWith('add rule')),
    ).toHaveLength(2);
    const after = policyState({ ...input, pods: [...pods, web(1000)] });
    expect(changeScript(state, after)).toMatch(/^add element inet drydock-policy p-\w+ \{ 10\.244\.6\.1 \}\n$/);
    expect(changeScript(after, after)).toBe('');
  });
});
