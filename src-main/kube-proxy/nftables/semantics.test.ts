import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { EndpointSlice, Service } from '#api/gen/types';
import type { SocketAddress } from '#base/streams';
import { serviceRules, type ServiceRule } from '../service-rules.ts';
import { RulesetCompiler } from './compiler.ts';
import type { Ruleset } from './ruleset.ts';

/** A reading of the rule set's text, to hold against what the rules say: who gets a connection, and with which share. */

const network = {
  ...{ clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16', nodeIPs: ['172.18.0.2'], localhostNodePorts: true },
};

type Client = 'pod' | 'node' | 'outside';

interface Outcome {
  /** Share of new connections by backend. */
  readonly shares: Map<string, number>;
  masquerade: boolean;
}

const clauses: readonly (readonly [RegExp, (client: Client) => boolean])[] = [
  [/^ip saddr 10\.244\.0\.0\/16 /, (client) => client === 'pod'],
  [/^fib saddr type local /, (client) => client === 'node'],
  // Nobody was here before.
  [/^ip saddr @affinity-\S+ /, () => false],
];

function walk(ruleset: Ruleset, chain: string, client: Client, share: number, outcome: Outcome): void {
  let left = share;
  for (const line of ruleset.chains.get(chain) ?? []) {
    const clause = clauses.find(([pattern]) => pattern.test(line));
    if (clause && !clause[1](client)) continue;
    const rest = clause ? line.replace(clause[0], '') : line;
    const ladder = /^numgen random mod (\d+) 0 (.*)$/.exec(rest);
    const map = /^(?:meta l4proto \w+ dnat ip to )?numgen random mod (\d+) v?map \{ (.*) \}$/.exec(rest);
    if (ladder) {
      follow(ruleset, ladder[2] ?? '', client, left / Number(ladder[1]), outcome);
      left -= left / Number(ladder[1]);
    } else if (map) {
      for (const entry of (map[2] ?? '').split(', ')) {
        const target = (entry.split(' : ')[1] ?? '').replace(/^([\d.]+) \. (\d+)$/, 'meta l4proto tcp dnat to $1:$2');
        follow(ruleset, target, client, left / Number(map[1]), outcome);
      }
      return;
    } else if (follow(ruleset, rest, client, left, outcome)) return;
  }
}

/** Whether the connection's way ends here. */
function follow(ruleset: Ruleset, verdict: string, client: Client, share: number, outcome: Outcome): boolean {
  const [, chain] = /^goto (\S+)$/.exec(verdict) ?? [];
  const [, backend] = /^meta l4proto \w+ dnat to (\S+)$/.exec(verdict) ?? [];
  if (verdict === 'jump mark-for-masquerade') outcome.masquerade = true;
  else if (chain) walk(ruleset, chain, client, share, outcome);
  else if (backend) outcome.shares.set(backend, (outcome.shares.get(backend) ?? 0) + share);
  else if (!verdict.startsWith('update @')) throw new Error(`the test cannot read: ${verdict}`);
  return chain !== undefined || backend !== undefined;
}

function connect(ruleset: Ruleset, verdict: string | undefined, client: Client): Outcome {
  const outcome: Outcome = { shares: new Map(), masquerade: false };
  if (verdict) follow(ruleset, verdict, client, 1, outcome);
  return outcome;
}

const endpoint = fc.record({
  here: fc.boolean(),
  state: fc.constantFrom('ready', 'draining', 'gone' as const),
});
const givenService = fc.record({
  endpoints: fc.array(endpoint, { maxLength: 20 }),
  internalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
  externalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
  sessionAffinity: fc.constantFrom('None', 'ClientIP'),
});
type Given = typeof givenService extends fc.Arbitrary<infer T> ? T : never;

function rulesOf({ endpoints, ...policies }: Given): readonly ServiceRule[] {
  const service: Service = {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'default' } },
    spec: {
      ...{ type: 'LoadBalancer', clusterIP: '10.96.0.5', ...policies },
      ports: [{ port: 80, nodePort: 30080, protocol: 'TCP' }],
    },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }] } },
  };
  const slice: EndpointSlice = {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
    metadata: { name: 'web-1', namespace: 'default' },
    ports: [{ port: 8080, protocol: 'TCP', name: '' }],
    endpoints: endpoints.map(({ here, state }, i) => ({
      addresses: [`10.244.1.${i + 2}`],
      nodeName: here ? 'node' : 'other',
      conditions: { ready: state === 'ready', serving: state !== 'gone', terminating: state !== 'ready' },
    })),
  };
  return serviceRules([service], () => [slice], { nodeName: 'node' });
}

function shared(backends: readonly SocketAddress[]): Map<string, string> {
  return new Map(backends.map(({ ip, port }) => [`${ip}:${port}`, (1 / backends.length).toFixed(6)]));
}

function rounded({ shares }: Outcome): Map<string, string> {
  return new Map([...shares].map(([backend, share]) => [backend, share.toFixed(6)]));
}

it('gives every backend of the rule an equal share, and nobody else any', () => {
  const property = fc.property(givenService, fc.constantFrom<Client[]>('pod', 'node', 'outside'), (given, client) => {
    const rules = rulesOf(given);
    const [rule] = rules;
    if (!rule) throw new Error('one port makes one rule');
    const ruleset = new RulesetCompiler(network).compile(rules);
    const { elements } = ruleset;

    const internal = connect(ruleset, elements['service-ips'].get('10.96.0.5 . tcp . 80'), client);
    expect(rounded(internal)).toEqual(shared(rule.internal));

    const local = rule.externalTrafficPolicy === 'Local';
    const expected = local && client === 'outside' ? rule.external : rule.cluster;
    for (const verdict of [
      elements['service-ips'].get('192.0.2.7 . tcp . 80'),
      elements['service-nodeports'].get('tcp . 30080'),
    ]) {
      const external = connect(ruleset, verdict, client);
      expect(rounded(external)).toEqual(shared(expected));
      if (expected.length > 0) expect(external.masquerade).toBe(!local || client === 'node');
    }

    const missing = rule.cluster.length === 0 ? 'goto reject-chain' : 'drop';
    const services = elements['no-endpoint-services'];
    expect(services.get('10.96.0.5 . tcp . 80')).toBe(rule.internal.length === 0 ? missing : undefined);
    expect(services.get('192.0.2.7 . tcp . 80')).toBe(rule.external.length === 0 ? missing : undefined);
    expect(elements['no-endpoint-nodeports'].get('tcp . 30080')).toBe(rule.external.length === 0 ? missing : undefined);
  });
  fc.assert(property, { numRuns: 300 });
});

it('leads to no chain and no set that is not there', () => {
  const property = fc.property(fc.array(givenService, { maxLength: 3 }), (given) => {
    const ruleset = new RulesetCompiler(network).compile(
      given.flatMap((one, i) => rulesOf(one).map((rule) => ({ ...rule, service: `default/web-${i}` }))),
    );
    const verdicts = Object.values(ruleset.elements).flatMap((elements) => [...elements.values()]);
    for (const line of [...[...ruleset.chains.values()].flat(), ...verdicts]) {
      for (const [, chain = ''] of line.matchAll(/(?:goto|jump) ([^\s,]+)/g))
        expect([chain, ruleset.chains.has(chain)]).toEqual([chain, true]);
      for (const [, set = ''] of line.matchAll(/@(affinity-\S+)/g))
        expect([set, ruleset.affinity.has(set)]).toEqual([set, true]);
    }
  });
  fc.assert(property, { numRuns: 100 });
});
