import { describe, expect, it } from 'vitest';
import { pod } from '#client/testing/fixtures';
import { hostsFile, nodeHostsFile } from './hosts-file.ts';

describe('hostsFile', () => {
  it('names the pod in full under a subdomain, and adds host aliases', () => {
    const spec = { containers: [], subdomain: 'web', hostAliases: [{ ip: '1.2.3.4', hostnames: ['a', 'b'] }] };
    const text = hostsFile(pod('web-0', { spec }), '10.244.0.5', 'web-0', 'cluster.local');
    expect(text).toContain('10.244.0.5\tweb-0.web.default.svc.cluster.local\tweb-0\n');
    expect(text).toContain('\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n');
  });

  it("is the node's in the node's network, with the pod's aliases", () => {
    const spec = { containers: [], hostNetwork: true, hostAliases: [{ ip: '1.2.3.4', hostnames: ['a'] }] };
    expect(nodeHostsFile(pod('p', { spec }), '127.0.0.1 localhost\n')).toBe(
      '# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n\n# Entries added by HostAliases.\n1.2.3.4\ta\n',
    );
  });
});
