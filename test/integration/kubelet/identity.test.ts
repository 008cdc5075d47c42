import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Node } from '#api/gen/types';
import { RealClock, SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { validityOf } from '#client/certificates/certificate-request';
import { certificateSigningRequests, configMaps, nodes, pods } from '#client/resources';
import { RestClient } from '#client/rest-client';
import type { ControllerManager } from '#controller-manager/controller-manager';
import { identities } from '#cluster/identities';
import type { AgentConfig } from '../../../src-main/node-agent/agent-config.ts';
import { establishIdentity, servingCertificate } from '../../../src-main/node-agent/kubelet-identity.ts';
import { clientAs, createBootstrapToken, startControllers } from '../../harness/cluster-controllers.ts';
import { RunningApiServer } from '../../harness/kube-apiserver.ts';

/** TLS bootstrap against a real API server with the controllers that approve and sign. */

let api: RunningApiServer;
let controllers: ControllerManager;
let token: string;
let folder: string;
let life: { context: Context; cancel: () => void };

beforeAll(async () => {
  api = await RunningApiServer.start();
  controllers = await startControllers(api, /csr|certificate|approver/);
  token = await createBootstrapToken(api);
});
afterAll(async () => {
  await controllers.stop();
  await api.close();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-pki-'));
  life = Context.background().withCancel();
});
afterEach(() => {
  life.cancel();
  rmSync(folder, { recursive: true, force: true });
});

function options(nodeName: string, bootstrapToken = token, clock: RealClock | SteppedClock = new RealClock()) {
  const config = {
    ...{ nodeName, bootstrapToken, caCertificate: api.ca.certificate, kubernetesVersion: 'v1.36.0' },
    apiAddress: { ip: '127.0.0.1', port: api.server.port },
  } as AgentConfig;
  return { config, args: [], clock, random: new SeededRandom(7), logger: silentLogger };
}

const current = (): string => readFileSync(join(folder, 'kubelet-client-current.pem'), 'utf8');

test('a machine with a token becomes its node, and needs no token the next time', async () => {
  const client = new RestClient(await establishIdentity(life.context, options('worker-1'), folder));
  await client
    .resource<Node>(nodes)
    .create(life.context, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'worker-1' }, spec: {} });
  expect((await client.resource(pods).list(life.context, { fieldSelector: 'spec.nodeName=worker-1' })).items).toEqual(
    [],
  );
  await expect(client.resource(configMaps).list(life.context, { namespace: 'default' })).rejects.toMatchObject({
    reason: 'Forbidden',
  });
  const before = current();
  const again = new RestClient(
    await establishIdentity(life.context, options('worker-1', 'gone00.0000000000000000'), folder),
  );
  expect((await again.resource(nodes).get(life.context, '', 'worker-1')).metadata.name).toBe('worker-1');
  expect(current()).toBe(before);
});

test('a certificate of another cluster, or for another node, is as good as none', async () => {
  await establishIdentity(life.context, options('worker-1'), folder);
  const before = current();
  await establishIdentity(life.context, options('worker-2'), folder);
  expect(current()).not.toBe(before);
});

test('it is rotated in the last third of its life, and open watches go on', async () => {
  const clock = new SteppedClock(new RealClock().now());
  const stepping = establishIdentity(life.context, options('worker-3', token, clock), folder);
  const settled = stepping.then(() => true);
  let stepped: Promise<unknown> = Promise.resolve();
  const step = () => clock.step(500, () => new Promise((resolve) => setTimeout(resolve, 30)));
  while (!(await Promise.race([settled, (stepped = step()).then(() => false)])));
  // Two steps at once would end at the time of the one that ends last.
  await stepped;
  const client = new RestClient(await stepping);
  const watch = await client.resource(nodes).watch(life.context, { fieldSelector: 'metadata.name=worker-3' });
  const events = watch[Symbol.asyncIterator]();
  const first = events.next();
  const { notBeforeMs, notAfterMs } = validityOf(current());
  const lifeMs = notAfterMs - notBeforeMs;
  const before = current();
  await clock.step(notBeforeMs + lifeMs * 0.69 - clock.now());
  expect(current()).toBe(before);
  await clock.step(lifeMs * 0.22);
  await expect
    .poll(
      async () => {
        await step();
        return current() !== before;
      },
      { timeout: 10_000 },
    )
    .toBe(true);
  expect(readdirSync(folder).filter((name) => name.startsWith('kubelet-client-2'))).toHaveLength(2);
  await clientAs(api, identities.admin)
    .resource<Node>(nodes)
    .create(life.context, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'worker-3' }, spec: {} });
  expect((await first).value).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'worker-3' } } });
});

test('the port gets a certificate of the cluster as soon as the Node says its address', async () => {
  const client = new RestClient(await establishIdentity(life.context, options('worker-4'), folder));
  const shown: string[] = [];
  const serving = await servingCertificate(
    options('worker-4'),
    client,
    '192.0.2.4',
    ({ certificate }) => shown.push(certificate),
    folder,
  );
  expect(() => validityOf(serving.first.certificate)).not.toThrow();
  serving.run(life.context);
  const requests = clientAs(api, identities.admin).resource(certificateSigningRequests);
  await expect.poll(async () => (await requests.list(life.context)).items.length).toBeGreaterThan(3);
  expect(shown).toEqual([]);
  const addresses = [
    { type: 'InternalIP', address: '192.0.2.4' },
    { type: 'Hostname', address: 'worker-4' },
  ];
  await client.resource<Node>(nodes).create(life.context, {
    ...{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'worker-4' }, spec: {}, status: { addresses } },
  });
  await expect.poll(() => shown.length, { timeout: 15_000 }).toBe(1);
});
