import { describe, expect, it } from 'vitest';
import { pod } from '#client/testing/fixtures';
import { dnsConfig, hostsFile } from './hosts-file.ts';

describe('dnsConfig', () => {
  const config = (spec: object): ReturnType<typeof dnsConfig> =>
    dnsConfig(pod('p', { spec: { containers: [], ...spec } }), ['10.96.0.10'], 'cluster.local');

  it('points at cluster DNS with the search list and ndots of upstream', () => {
    expect(config({})).toEqual({
      servers: ['10.96.0.10'],
      searches: ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
      options: ['ndots:5'],
    });
  });

  it('leaves host-network pods to the node, unless told otherwise', () => {
    expect(config({ hostNetwork: true }).servers).toEqual([]);
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
});

describe('hostsFile', () => {
  it('names the pod in full under a subdomain, and adds host aliases', () => {
    const spec = { containers: [], subdomain: 'web', hostAliases: [{ ip: '1.2.3.4', hostnames: ['a', 'b'] }] };
    const text = hostsFile(pod('web-0', { spec }), '10.244.0.5', 'web-0', 'cluster.local');
    expect(text).toContain('10.244.0.5\tweb-0.web.default.svc.cluster.local\tweb-0\n');
    expect(text).toContain('\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n');
  });
});
