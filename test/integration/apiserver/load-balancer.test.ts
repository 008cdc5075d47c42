import { execFile } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { freshSeed, SeededRandom } from '#base/random';
import { RestClient } from '#client/rest-client';
import { identities } from '#cluster/identities';
import { InProcessTransport } from '#cluster/in-process-transport';
import { ControllerManager } from '#controller-manager/controller-manager';
import { kubeControllers } from '#controller-manager/kube-controllers';
import { RunningApiServer } from '../../harness/kube-apiserver.ts';
import { kubectlProgram, skipWithout } from '../../harness/programs.ts';

/** kubectl and the service-lb controller with a pool of two addresses. */

let api: RunningApiServer;
let manager: ControllerManager;

function kubectl(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, KUBECONFIG: api.kubeconfig };
    execFile(kubectlProgram.path ?? '', args, { env, timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    });
  });
}

function newManager(): ControllerManager {
  const client = (user: (typeof identities)['admin']): RestClient =>
    new RestClient(new InProcessTransport({ handler: api.server.handler, user, userAgent: 'test' }));
  const loadBalancerPool = () => ({ first: '172.30.255.1', last: '172.30.255.2' });
  return new ControllerManager({
    ...{ name: 'kube-controller-manager/test', clock: new RealClock(), random: new SeededRandom(freshSeed()) },
    logger: silentLogger,
    client: client(identities.controllerManager),
    clientOf: (controller) => client(identities.controller(controller)),
    controllers: kubeControllers({ rootCa: '', signing: api.ca, loadBalancerPool }).filter(
      ({ name }) => name === 'service-lb-controller',
    ),
  });
}

/** The column EXTERNAL-IP of a Service. */
const addressOf = async (name: string): Promise<string> =>
  (await kubectl('get', 'svc', name, '--no-headers')).stdout.split(/\s+/)[3] ?? '';
const field = async (name: string, path: string): Promise<string> =>
  (await kubectl('get', 'svc', name, '-o', `jsonpath={${path}}`)).stdout;
const createBalancer = (name: string): Promise<unknown> => kubectl('create', 'svc', 'loadbalancer', name, '--tcp=80');
const wait = { timeout: 10_000 };

describe.skipIf(skipWithout(kubectlProgram))('services of type LoadBalancer', () => {
  beforeAll(async () => {
    api = await RunningApiServer.start();
    manager = newManager();
    await manager.start(Context.background());
  });
  afterAll(async () => {
    await manager.stop();
    await api.close();
  });

  test('get an address of the pool, kept over a restart of the controllers', async () => {
    await createBalancer('a');
    await expect.poll(() => addressOf('a'), wait).toBe('172.30.255.1');
    expect(await field('a', '.status.loadBalancer.ingress')).toBe('[{"ip":"172.30.255.1","ipMode":"VIP"}]');
    expect(await field('a', '.metadata.finalizers')).toBe('["service.kubernetes.io/load-balancer-cleanup"]');
    await manager.stop();
    manager = newManager();
    await createBalancer('b');
    await manager.start(Context.background());
    await expect.poll(() => addressOf('b'), wait).toBe('172.30.255.2');
    expect(await addressOf('a')).toBe('172.30.255.1');
    const described = (): Promise<string> => kubectl('describe', 'svc', 'a').then(({ stdout }) => stdout);
    await expect.poll(described, wait).toMatch(/EnsuringLoadBalancer .* service-controller +Ensuring load balancer/);
    await expect.poll(described, wait).toMatch(/EnsuredLoadBalancer .* service-controller +Ensured load balancer/);
  });

  test('an empty pool says what to do, and an address that is given back goes on', async () => {
    await createBalancer('c');
    const events = (): Promise<string> => kubectl('describe', 'svc', 'c').then(({ stdout }) => stdout);
    await expect
      .poll(events, wait)
      .toContain('all addresses of 172.30.255.1-172.30.255.2 are in use; delete a Service');
    expect(await addressOf('c')).toBe('<pending>');
    const patch = JSON.stringify({ spec: { type: 'ClusterIP' } });
    expect(await kubectl('patch', 'svc', 'a', '-p', patch)).toMatchObject({ code: 0, stderr: '' });
    await expect.poll(() => addressOf('c'), wait).toBe('172.30.255.1');
    await expect.poll(() => field('a', '.metadata.finalizers'), wait).toBe('');
    expect(await field('a', '.status.loadBalancer')).toBe('{}');
    expect(await field('a', '.spec.externalTrafficPolicy')).toBe('');
    expect(await kubectl('delete', 'svc', 'b', '--timeout=10s')).toMatchObject({ code: 0 });
  });

  test('an address that is asked for is given, or said why not; classes of others are left alone', async () => {
    const patch = (spec: object): Promise<unknown> => kubectl('patch', 'svc', 'c', '-p', JSON.stringify({ spec }));
    await patch({ loadBalancerIP: '172.30.255.2' });
    await expect.poll(() => addressOf('c'), wait).toBe('172.30.255.2');
    await patch({ loadBalancerIP: '10.1.1.1' });
    const events = (): Promise<string> => kubectl('describe', 'svc', 'c').then(({ stdout }) => stdout);
    await expect.poll(events, wait).toContain('10.1.1.1 is not one of 172.30.255.1-172.30.255.2');
    await kubectl('create', 'svc', 'clusterip', 'd', '--tcp=80');
    const spec = { type: 'LoadBalancer', loadBalancerClass: 'example.com/lb' };
    await kubectl('patch', 'svc', 'd', '-p', JSON.stringify({ spec }));
    await createBalancer('e');
    await expect.poll(() => addressOf('e'), wait).toBe('172.30.255.1');
    expect(await addressOf('d')).toBe('<pending>');
    const other = await kubectl('patch', 'svc', 'd', '-p', JSON.stringify({ spec: { loadBalancerClass: 'x.io/y' } }));
    expect(other.stderr).toContain('spec.loadBalancerClass: Invalid value: "x.io/y": field is immutable');
  });
});
