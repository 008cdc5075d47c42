import { describe, expect, it } from 'vitest';
import { pod } from '#client/testing/fixtures';
import { parseResolvConf, podDns } from './pod-dns.ts';

const node = parseResolvConf(
  '# made\nnameserver 127.0.0.11\nnameserver 9.9.9.9\nsearch lan .\noptions ndots:0 edns0\n',
);

describe('podDns', () => {
  const config = (spec: object): ReturnType<typeof podDns> =>
    podDns(pod('p', { spec: { containers: [], ...spec } }), { servers: ['10.96.0.10'], domain: 'cluster.local', node });

  it('points at cluster DNS with the search list and ndots of upstream', () => {
    expect(config({})).toEqual({
      servers: ['10.96.0.10'],
      searches: ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'lan'],
      options: ['ndots:5'],
    });
  });

  it('leaves host-network pods to the node, unless told otherwise', () => {
    expect(config({ hostNetwork: true })).toEqual(node);
    expect(config({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }).servers).toEqual(['10.96.0.10']);
  });

  it('adds the pod its own, which win over defaults of the same name', () => {
    const own = { nameservers: ['1.1.1.1'], searches: ['corp'], options: [{ name: 'ndots', value: '2' }] };
    expect(config({ dnsPolicy: 'None', dnsConfig: own })).toEqual({
      servers: ['1.1.1.1'],
      searches: ['corp'],
      options: ['ndots:2'],
    });
    expect(config({ dnsConfig: own }).options).toEqual(['ndots:2']);
  });

  it("gives the node's servers with Default, but none that answers on its loopback alone", () => {
    expect(config({ dnsPolicy: 'Default' })).toEqual({
      ...{ servers: ['9.9.9.9'], searches: ['lan'], options: ['ndots:0', 'edns0'] },
    });
    const docker = {
      servers: ['10.96.0.10'],
      domain: 'cluster.local',
      node: parseResolvConf('nameserver 127.0.0.11\n'),
    };
    expect(podDns(pod('p', { spec: { containers: [], dnsPolicy: 'Default' } }), docker).servers).toEqual([
      '10.96.0.10',
    ]);
  });
});
