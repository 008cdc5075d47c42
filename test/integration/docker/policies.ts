import { afterAll, beforeAll, describe, it, expect } from 'vitest';
import type { NetworkPolicySpec } from '#api/gen/types';
import { soon, type DockerLab } from '../../harness/docker-lab.ts';
import { forever, nginx, pod, shell, site } from './objects.ts';

const namespaces = ['walled', 'guests'] as const;
type Place = (typeof namespaces)[number];

/** NetworkPolicy between pods on different nodes: who gets through is asked with real connections. */
export function policiesStory(labOf: () => DockerLab): void {
  describe('NetworkPolicy', () => {
    let lab: DockerLab;
    let api: string;
    const through = async (namespace: Place, name: string, port = 8080): Promise<boolean> =>
      (await lab.script(name, `timeout 1 wget -qO- http://${api}:${port}/`, namespace)).code === 0;
    const policy = (name: string, spec: NetworkPolicySpec): Promise<void> =>
      lab.apply({
        ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace: 'walled' }, spec },
      });
    /** Whether friend, stranger and the visitor from the other namespace reach the API's first port. */
    const whoGetsIn = async (): Promise<string> => {
      const [friend, stranger, visitor] = await Promise.all([
        through('walled', 'friend'),
        through('walled', 'stranger'),
        through('guests', 'visitor'),
      ]);
      return [friend && 'friend', stranger && 'stranger', visitor && 'visitor'].filter(Boolean).join(' ');
    };

    beforeAll(async () => {
      lab = labOf();
      const spaces = namespaces.map((name) => ({
        ...{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { team: name } } },
      }));
      const client = (name: string, namespace: Place, nodeName: string) =>
        pod(name, { nodeName, containers: [shell(forever)] }, { role: name }, namespace);
      await lab.apply(
        ...[...spaces, site('v1', 'walled')],
        pod('api', { ...nginx('v1'), nodeName: 'worker-1' }, {}, 'walled'),
        ...[client('friend', 'walled', 'worker-2'), client('stranger', 'walled', 'worker-1')],
        client('visitor', 'guests', 'worker-3'),
      );
      for (const [namespace, name] of [
        ['walled', 'api'],
        ['walled', 'friend'],
        ['walled', 'stranger'],
        ['guests', 'visitor'],
      ] as const)
        await lab.ok('wait', '-n', namespace, '--for=condition=Ready', `pod/${name}`, '--timeout=45s');
      api = await lab.ok('get', 'pod', '-n', 'walled', 'api', '-o', 'jsonpath={.status.podIP}');
    });
    afterAll(() => lab.ok('delete', 'namespace', ...namespaces, '--wait=false'));

    it('lets everybody in while there is none', async () => {
      expect(await whoGetsIn()).toBe('friend stranger visitor');
    });

    it('lets nobody in by default, and leaves probes alone', async () => {
      await policy('nobody', { podSelector: {}, policyTypes: ['Ingress'] });
      await expect.poll(whoGetsIn, soon).toBe('');
      expect(await lab.ok('get', 'pod', '-n', 'walled', 'api', '--no-headers')).toMatch(/1\/1 +Running +0/);
    });

    it('lets in by label, at the named port only', async () => {
      await policy('friends', {
        podSelector: { matchLabels: { app: 'api' } },
        ingress: [{ from: [{ podSelector: { matchLabels: { role: 'friend' } } }], ports: [{ port: 'web' }] }],
      });
      await expect.poll(whoGetsIn, soon).toBe('friend');
      expect(await through('walled', 'friend', 8081)).toBe(false);
      expect(await whoGetsIn()).toBe('friend');
    });

    it('lets in by namespace', async () => {
      await policy('guests', {
        podSelector: { matchLabels: { app: 'api' } },
        ingress: [
          {
            from: [{ namespaceSelector: { matchLabels: { team: 'guests' } } }],
            ports: [{ port: 8080, endPort: 8081 }],
          },
        ],
      });
      await expect.poll(whoGetsIn, soon).toBe('friend visitor');
      expect(await through('guests', 'visitor', 8081)).toBe(true);
    });

    it('holds what goes out: to the API, not to names; then to names as well', async () => {
      const out = (to: object): NetworkPolicySpec => ({
        podSelector: { matchLabels: { role: 'friend' } },
        ...{ policyTypes: ['Egress'], egress: [to] },
      });
      await policy('out', out({ to: [{ ipBlock: { cidr: `${api}/32` } }] }));
      const named = async (): Promise<boolean> =>
        (await lab.script('friend', 'nslookup web.default.svc.cluster.local', 'walled')).code === 0;
      const web = async (): Promise<boolean> =>
        (await lab.script('friend', 'timeout 1 wget -qO- http://web.default.svc.cluster.local/', 'walled')).code === 0;
      await expect.poll(named, soon).toBe(false);
      expect(await through('walled', 'friend')).toBe(true);
      await policy(
        'out',
        out({ to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } }] }),
      );
      await expect.poll(named, soon).toBe(true);
      expect(await through('walled', 'friend')).toBe(false);
      expect(await web()).toBe(false);
    });

    it('is over when the policies are gone', async () => {
      await lab.ok('delete', 'networkpolicy', '-n', 'walled', '--all');
      await expect.poll(whoGetsIn, soon).toBe('friend stranger visitor');
    });
  });
}
