import { beforeAll, describe, expect, it } from 'vitest';
import type { Service } from '#api/gen/types';
import { soon, type DockerLab } from '../../harness/docker-lab.ts';
import { answerOf, clients, deployment, nginx, service, site, spread } from './objects.ts';

/** Of the load balancer: also a port of 127.0.0.1, where tests of other things may listen. */
const balancedPort = 28_473;
const zone = 'default.svc.cluster.local';

/** Real nginx behind each type of Service. What it leaves is used by the stories after it. */
export function servicesStory(labOf: () => DockerLab): void {
  describe('Services', () => {
    let lab: DockerLab;
    /** A pod on each node. */
    let onNode: ReadonlyMap<string, string>;
    const from = (node: string, line: string): Promise<string> => lab.says(onNode.get(node) ?? '', line);
    const serviceOf = (name: string): Promise<Service> => lab.get<Service>('service', name);
    const fetched = async (url: string): Promise<string> =>
      (await fetch(url, { signal: AbortSignal.timeout(5_000) })).text();

    beforeAll(async () => {
      lab = labOf();
      const services = [
        service('web', { type: 'ClusterIP' }),
        service('web-headless', { clusterIP: 'None' }),
        service('web-node', { type: 'NodePort' }),
        service('web-balanced', {
          type: 'LoadBalancer',
          ports: [{ name: 'http', port: balancedPort, targetPort: 'web' }],
        }),
        service('web-local', { type: 'NodePort', externalTrafficPolicy: 'Local' }),
        service('web-sticky', { sessionAffinity: 'ClientIP' }),
        service('web-alias', { type: 'ExternalName', externalName: `web.${zone}`, ports: [] }),
      ];
      await lab.apply(clients, site('v1'), deployment('web', 3, { ...nginx('v1'), ...spread }), ...services);
      await lab.ok('rollout', 'status', 'deployment/web', '--timeout=60s');
      await lab.ok('rollout', 'status', 'daemonset/client', '--timeout=60s');
      const pods = await lab.pods('app=client');
      onNode = new Map(pods.map((pod) => [pod.spec.nodeName ?? '', pod.metadata.name ?? '']));
    });

    it('spreads the pods over the nodes, each with an address of its node’s range', async () => {
      const pods = await lab.pods('app=web');
      expect(new Set(pods.map((pod) => pod.spec.nodeName))).toEqual(new Set(lab.workers));
      for (const { spec, status } of pods) {
        const cidr = await lab.ok('get', 'node', spec.nodeName ?? '', '-o', 'jsonpath={.spec.podCIDR}');
        expect(status?.podIP?.split('.').slice(0, 3)).toEqual(cidr.split('.').slice(0, 3));
      }
    });

    it('lets every pod reach every other by its address, without NAT', async () => {
      const pods = await lab.pods('app=web');
      for (const node of lab.workers) {
        const own = (await lab.pods('app=client')).find((pod) => pod.spec.nodeName === node)?.status?.podIP;
        for (const pod of pods) {
          const answer = answerOf(await from(node, `timeout 5 wget -qO- http://${pod.status?.podIP}:8080/`));
          expect(answer).toEqual({ host: pod.metadata.name, version: 'v1', client: own });
        }
      }
    });

    it('resolves them by name on every node', async () => {
      const { clusterIP } = (await serviceOf('web')).spec;
      for (const node of lab.workers) {
        expect(await from(node, `nslookup web.${zone}`)).toContain(`Name:\tweb.${zone}\nAddress: ${clusterIP}`);
        for (const name of ['web', 'web.default', 'web.default.svc', `web.${zone}.`])
          expect(answerOf(await from(node, `timeout 5 wget -qO- http://${name}/`)).version).toBe('v1');
      }
      expect(await lab.script(onNode.get('worker-1') ?? '', `nslookup nothing.${zone}`)).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('NXDOMAIN'),
      });
    });

    it('tells the pods behind a headless Service, their ports and their names', async () => {
      const pods = (await lab.pods('app=web')).map((pod) => pod.status?.podIP ?? '').sort();
      const addresses = await from('worker-2', `nslookup web-headless.${zone}`);
      expect([...addresses.matchAll(/Address: ([\d.]+)$/gm)].map((match) => match[1]).sort()).toEqual(pods);
      const ports = await from('worker-2', `nslookup -type=srv _http._tcp.web-headless.${zone}`);
      const targets = [...ports.matchAll(/service = \d+ \d+ (\d+) (\S+?)\.?$/gm)];
      expect(targets.map((match) => match[1])).toEqual(['8080', '8080', '8080']);
      for (const [, , name = ''] of targets)
        expect(pods).toContain(/Address: ([\d.]+)$/m.exec(await from('worker-3', `nslookup ${name}`))?.[1]);
      const ofService = await from('worker-2', `nslookup -type=srv _http._tcp.web.${zone}`);
      expect(ofService).toMatch(new RegExp(`service = \\d+ \\d+ 80 web\\.${zone.replaceAll('.', '\\.')}`));
    });

    it('tells names by address, and what an ExternalName stands for', async () => {
      const { clusterIP = '' } = (await serviceOf('web')).spec;
      expect(await from('worker-1', `nslookup ${clusterIP}`)).toContain(`name = web.${zone}`);
      expect(await from('worker-3', `nslookup -type=cname web-alias.${zone}`)).toContain(
        `canonical name = web.${zone}`,
      );
      expect(answerOf(await from('worker-3', 'timeout 5 wget -qO- http://web-alias/')).version).toBe('v1');
    });

    it('spreads requests over the endpoints, and keeps a client at one where asked', async () => {
      const twenty = (name: string): string => `for i in $(seq 20); do timeout 5 wget -qO- http://${name}/; done`;
      const hosts = (text: string): number => new Set(text.split('\n').map((line) => answerOf(line).host)).size;
      expect(hosts(await from('worker-1', twenty('web')))).toBe(3);
      for (const node of lab.workers) expect(hosts(await from(node, twenty('web-sticky')))).toBe(1);
    });

    it('answers at a node port of every node, and of 127.0.0.1', async () => {
      const port = (await serviceOf('web-node')).spec.ports?.[0]?.nodePort;
      const addresses = await Promise.all(lab.workers.map((node) => lab.address(node)));
      for (const address of [...addresses, '127.0.0.1'])
        await expect.poll(() => fetched(`http://${address}:${port}/`).catch(String), soon).toContain(' v1 ');
      for (const address of addresses)
        expect(answerOf(await from('worker-2', `timeout 5 wget -qO- http://${address}:${port}/`)).version).toBe('v1');
    });

    it('keeps the client’s address where traffic stays on the node', async () => {
      const port = (await serviceOf('web-local')).spec.ports?.[0]?.nodePort;
      for (const pod of await lab.pods('app=web')) {
        const address = await lab.address(pod.spec.nodeName ?? '');
        const { host, client } = answerOf(await fetched(`http://${address}:${port}/`));
        expect(host).toBe(pod.metadata.name);
        expect(client).toBe(address.replace(/\.\d+$/, '.1'));
      }
    });

    it('answers at a load balancer’s address, from pods and from the host', async () => {
      const address = async (): Promise<string | undefined> =>
        (await serviceOf('web-balanced')).status?.loadBalancer?.ingress?.[0]?.ip;
      await expect.poll(address, soon).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
      const ip = await address();
      for (const host of [ip, '127.0.0.1'])
        await expect.poll(() => fetched(`http://${host}:${balancedPort}/`).catch(String), soon).toContain(' v1 ');
      expect(answerOf(await from('worker-3', `timeout 5 wget -qO- http://${ip}:${balancedPort}/`)).version).toBe('v1');
      expect(await lab.ok('get', 'service', 'web-balanced', '--no-headers')).toMatch(
        new RegExp(`LoadBalancer +10\\.96\\.\\d+\\.\\d+ +${ip} +${balancedPort}:`),
      );
    });
  });
}
