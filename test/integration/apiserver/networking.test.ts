import { execFile } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kubectlProgram, skipWithout } from '../../harness/programs.ts';
import { RunningApiServer } from '../../harness/kube-apiserver.ts';

/** kubectl 1.35 and the kinds of networking.k8s.io, against kube-apiserver alone. */

let api: RunningApiServer;

function kubectl(args: readonly string[], input?: string): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, KUBECONFIG: api.kubeconfig };
    const child = execFile(kubectlProgram.path ?? '', args, { env, timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    });
    child.stdin?.end(input);
  });
}

const policy = (spec: object): string =>
  JSON.stringify({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'web' }, spec });

describe.skipIf(skipWithout(kubectlProgram))('networking.k8s.io', () => {
  beforeAll(async () => {
    api = await RunningApiServer.start();
  });
  afterAll(() => api.close());

  test('a NetworkPolicy is created, changed, listed, described and explained', async () => {
    const peers = [
      { namespaceSelector: { matchLabels: { team: 'a' } }, podSelector: {} },
      { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
    ];
    const spec = {
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [{ from: peers, ports: [{ port: 80, endPort: 90 }] }],
    };
    const created = await kubectl(['apply', '-f', '-'], policy(spec));
    expect(created).toMatchObject({ code: 0, stdout: 'networkpolicy.networking.k8s.io/web created\n' });
    const again = await kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], policy(spec));
    expect(again.stdout).toBe('networkpolicy.networking.k8s.io/web serverside-applied\n');
    expect((await kubectl(['get', 'netpol'])).stdout).toMatch(/^NAME +POD-SELECTOR +AGE\nweb +app=web +\d+s\n$/);
    const described = (await kubectl(['describe', 'networkpolicy', 'web'])).stdout;
    expect(described).toContain('Allowing ingress traffic:\n    To Port Range: 80-90/TCP');
    expect(described).toContain('CIDR: 10.0.0.0/8\n        Except: 10.1.0.0/16');
    expect(described).toContain('Policy Types: Ingress');
    expect((await kubectl(['explain', 'networkpolicy.spec.ingress.from.ipBlock'])).stdout).toContain('cidr\t<string>');
    expect((await kubectl(['delete', 'netpol', '--all'])).stdout).toContain('"web" deleted');
  });

  test('a wrong one is turned down in the words of Kubernetes', async () => {
    const wrong = policy({ podSelector: {}, egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/99' } }] }] });
    const { code, stderr } = await kubectl(['create', '-f', '-'], wrong);
    expect(code).toBe(1);
    expect(stderr).toContain(
      'The NetworkPolicy "web" is invalid: spec.egress[0].to[0].ipBlock.cidr: Invalid value: "10.0.0.0/99": must be a valid CIDR value',
    );
  });

  test('ingresses are kept and printed, as typed clients write them', async () => {
    await kubectl(['create', 'ingress', 'site', '--class=nginx', '--rule=a.example.com/shop*=web:80,tls=cert']);
    const listed = (await kubectl(['get', 'ing'])).stdout;
    expect(listed).toMatch(/^NAME +CLASS +HOSTS +ADDRESS +PORTS +AGE\nsite +nginx +a\.example\.com +80, 443 +\d+s\n$/);
    expect((await kubectl(['describe', 'ingress', 'site'])).stdout).toContain('/shop   web:80');
    const bad = await kubectl(['create', 'ingress', 'bad', '--rule=1.2.3.4/=web:80']);
    expect(bad.stderr).toContain('spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address');
  });

  test('requests are proxied to a kubelet, into a pod and to a Service', async () => {
    const apply = async (object: object): Promise<void> => {
      expect((await kubectl(['create', '-f', '-'], JSON.stringify(object))).stderr).toBe('');
    };
    const raw = async (path: string): Promise<string> => {
      const { stdout, stderr } = await kubectl(['get', '--raw', `/api/v1/${path}`]);
      return stdout || stderr;
    };
    await kubectl(['create', 'serviceaccount', 'default']);
    await apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'w1' } });
    const box = { name: 'box', image: 'busybox', ports: [{ name: 'http', containerPort: 8080 }] };
    const spec = { nodeName: 'w1', containers: [box] };
    await apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', labels: { app: 'p' } }, spec });
    expect(await raw('nodes/w1/proxy/stats/summary?only=cpu')).toBe(
      'from the kubelet: GET /stats/summary?only=cpu HTTP/1.1',
    );
    expect(await raw('namespaces/default/pods/p/proxy/a/b')).toBe('from the pod: GET /a/b HTTP/1.1');
    expect(await raw('namespaces/default/pods/p:http/proxy/')).toBe('from the pod: GET / HTTP/1.1');
    expect(await raw('namespaces/default/pods/p:81/proxy/')).toContain('error trying to reach service');
    await kubectl(['create', 'svc', 'clusterip', 's', '--tcp=80:8080']);
    expect(await raw('namespaces/default/services/s:80/proxy/')).toContain('no endpoints available for service "s:80"');
    await apply({
      ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
      metadata: { name: 's-1', labels: { 'kubernetes.io/service-name': 's' } },
      endpoints: [{ addresses: ['10.244.0.2'], nodeName: 'w1', targetRef: { kind: 'Pod', name: 'p' } }],
      ports: [{ name: '80-8080', port: 8080 }],
    });
    const answer = (): Promise<string> => raw('namespaces/default/services/s:80/proxy/x');
    await expect.poll(answer, { timeout: 5_000 }).toBe('from the pod: GET /x HTTP/1.1');
  });
});
