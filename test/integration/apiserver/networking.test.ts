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
});
