import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EndpointSlice, Namespace, Node, Service } from '#api/gen/types';
import { Context } from '#base/context';
import { issueCertificate } from '#cluster/certificates';
import type { Draft } from '#client/client';
import { HttpsTransport } from '#client/https-transport';
import { endpointSlices, namespaces, nodes, services } from '#client/resources';
import { RestClient } from '#client/rest-client';
import type { AgentConfig } from '#node-agent/agent-config';
import { RunningApiServer } from '../../harness/kube-apiserver.ts';
import { skipWithout } from '../../harness/programs.ts';
import { namespacePrograms, TestNode } from './namespaces.ts';
import { podA } from './objects.ts';

const skip = skipWithout(...namespacePrograms);
const vip = '10.96.0.20';
const background = Context.background();

const web: Draft<Service> = {
  ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'default' } },
  spec: {
    ...{ type: 'LoadBalancer', clusterIP: vip, externalTrafficPolicy: 'Local' },
    ports: [{ port: 80, nodePort: 30090, protocol: 'TCP' }],
    ...{ healthCheckNodePort: 30091 },
  },
};

/** One endpoint here, and one on a simulated node, to which no packet gets. */
function slice(here: boolean): EndpointSlice {
  return {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
    metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
    ports: [{ port: 8080, protocol: 'TCP', name: '' }],
    endpoints: [...(here ? [podA] : []), { addresses: ['10.244.9.9'], nodeName: 'simulated' }],
  };
}

function nodeObject(name: string, driver: string): Draft<Node> {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { 'drydock.dev/driver': driver } }, spec: {} };
}

describe.skipIf(skip)('the process kube-proxy of a node', () => {
  let node: TestNode;
  let api: RunningApiServer;
  let client: RestClient;
  let folder: string;
  let gate: Server;
  let log = '';
  let proxy: ReturnType<TestNode['start']>;

  async function writeConfig(): Promise<string> {
    const { certificate, key } = await issueCertificate(
      api.ca,
      { usage: 'client', commonName: 'system:kube-proxy', groups: [] },
      Date.now(),
    );
    const config: Partial<AgentConfig> = {
      ...{ formatVersion: 1, nodeName: 'node', driver: 'docker', caCertificate: api.ca.certificate },
      ...{ kubeProxy: { certificate, key }, apiAddress: { ip: '127.0.0.1', port: 6443 }, kubernetesVersion: 'v1.36.0' },
      ...{ clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16' },
    };
    const path = join(folder, 'agent.json');
    writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
    return path;
  }

  function startProxy(): void {
    proxy = node.start(join(import.meta.dirname, 'run-process.ts'), join(folder, 'agent.json'));
    proxy.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
  }

  function killProxy(): Promise<void> {
    return new Promise((resolve) => {
      proxy.once('exit', () => resolve());
      proxy.kill('SIGKILL');
    });
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'drydock-kube-proxy-'));
    node = await TestNode.create(`kpp${process.pid}`);
    api = await RunningApiServer.start();
    const admin = await issueCertificate(
      api.ca,
      { usage: 'client', commonName: 'admin', groups: ['system:masters'] },
      Date.now(),
    );
    const server = `https://127.0.0.1:${api.server.port}`;
    const credentials = { cert: admin.certificate, key: admin.key };
    client = new RestClient(new HttpsTransport({ server, ca: api.ca.certificate, credentials, userAgent: 'test' }));
    gate = createServer((inner) => {
      const outer = connect(api.server.port, '127.0.0.1');
      inner.pipe(outer).pipe(inner);
      inner.on('error', () => outer.destroy());
      outer.on('error', () => inner.destroy());
    });
    await writeConfig();
  });
  afterAll(async () => {
    node.dispose();
    gate.close();
    await api.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('says that it waits, and writes rules when the API server is there', async () => {
    startProxy();
    await expect.poll(() => log, { timeout: 20_000 }).toContain('waiting for the API server');
    await node.relay(6443, join(folder, 'api'));
    gate.listen(join(folder, 'api'));
    await client.resource<Namespace>(namespaces).get(background, '', 'default');
    for (const one of [nodeObject('node', 'docker'), nodeObject('simulated', 'embedded')])
      await client.resource<Node>(nodes).create(background, one);
    await client.resource<Service>(services).create(background, web);
    await client.resource<EndpointSlice>(endpointSlices).create(background, slice(true));
    await expect.poll(() => node.ask('pod-b', 'tcp', vip, 80), { timeout: 30_000 }).toEqual(['pod-a 10.244.1.3']);
    expect(log).toContain('services are forwarded');
  });

  it('leaves out what no packet reaches', async () => {
    expect(await node.ask('pod-b', 'tcp', vip, 80, 20)).toEqual(Array(20).fill('pod-a 10.244.1.3'));
    expect(await node.ask('client', 'tcp', '192.168.78.1', 30090)).toEqual(['pod-a 192.168.78.2']);
    expect(await node.ask('node', 'tcp', '127.0.0.1', 30090)).toEqual(['pod-a 10.244.1.1']);
  });

  it('answers health checks and metrics', async () => {
    expect(await node.get('client', 'http://192.168.78.1:10256/healthz')).toMatch(/^200 .*"nodeEligible":true/);
    expect(await node.get('client', 'http://192.168.78.1:10249/metrics')).toMatch(/^ECONNREFUSED/);
    const metrics = await node.get('node', 'http://127.0.0.1:10249/metrics');
    expect(metrics).toMatch(/kubeproxy_sync_full_proxy_rules_duration_seconds_count [1-9]/);
    expect(metrics).toMatch(/kubeproxy_sync_proxy_rules_nftables_sync_failures_total 0/);
  });

  it('tells load balancers whether this node has endpoints', async () => {
    const url = 'http://192.168.78.1:30091/';
    const body = (count: number): object => ({
      ...{ service: { namespace: 'default', name: 'web' }, localEndpoints: count, serviceProxyHealthy: true },
    });
    const answer = await node.get('client', url);
    expect(answer.slice(0, 4)).toBe('200 ');
    expect(JSON.parse(answer.slice(4))).toEqual(body(1));
    const resource = client.resource<EndpointSlice>(endpointSlices);
    const update = async (here: boolean): Promise<void> => {
      const { metadata } = await resource.get(background, 'default', 'web-1');
      await resource.update(background, { ...slice(here), metadata });
    };
    await update(false);
    await expect.poll(() => node.get('client', url), { timeout: 20_000 }).toMatch(/^503 /);
    expect(await node.ask('pod-b', 'tcp', vip, 80)).toEqual(['ECONNREFUSED']);
    await update(true);
    await expect.poll(() => node.get('client', url), { timeout: 20_000 }).toMatch(/^200 /);
  });

  it('is killed and comes back without a lost connection', async () => {
    const held = node.hold('pod-b', 'tcp', vip, 80);
    expect(await held.ask()).toBe('pod-a 10.244.1.3');
    await killProxy();
    expect(await held.ask()).toBe('pod-a 10.244.1.3');
    expect(await node.ask('pod-b', 'tcp', vip, 80)).toEqual(['pod-a 10.244.1.3']);
    log = '';
    startProxy();
    await expect.poll(() => log, { timeout: 20_000 }).toContain('all rules are written');
    expect(await held.ask()).toBe('pod-a 10.244.1.3');
    expect(await node.ask('pod-b', 'tcp', vip, 80)).toEqual(['pod-a 10.244.1.3']);
  });

  it('ends in order when told to', async () => {
    const code = new Promise((resolve) => proxy.once('exit', resolve));
    proxy.kill('SIGTERM');
    expect(await code).toBe(0);
    expect(await node.ask('pod-b', 'tcp', vip, 80)).toEqual(['pod-a 10.244.1.3']);
  });
});
