import { execFile, execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
import { kubectlProgram, onPath, skipWithout } from '../../harness/programs.ts';

/** kubectl, openssl and the controllers of certificates, each as whom it is in a cluster. */

const opensslProgram = onPath('openssl', 'apt-get install openssl');
let api: RunningApiServer;
let manager: ControllerManager;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function kubectl(args: readonly string[], input?: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const env = { ...process.env, KUBECONFIG: api.kubeconfig };
    const child = execFile(kubectlProgram.path ?? '', args, { env, timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    });
    child.stdin?.end(input);
  });
}

/** kubectl as somebody else than the admin of the kubeconfig. */
const as = (...credentials: readonly string[]): readonly string[] => [
  ...['--kubeconfig=/dev/null', `--server=https://127.0.0.1:${api.server.port}`],
  ...[`--certificate-authority=${join(api.folder, 'ca.crt')}`, ...credentials],
];
const asCertificate = (name: string): readonly string[] =>
  as(`--client-certificate=${file(`${name}.crt`)}`, `--client-key=${file(`${name}.key`)}`);
const file = (name: string): string => join(api.folder, name);

/** Makes `name.key` and a request for `subject`, and gives the manifest that asks for the certificate. */
function manifest(name: string, subject: string, spec: object, names = ''): string {
  const arguments_ = [
    'req',
    '-new',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    subject,
  ];
  if (names) arguments_.push('-addext', `subjectAltName=${names}`);
  arguments_.push('-keyout', file(`${name}.key`), '-out', file(`${name}.csr`));
  execFileSync(opensslProgram.path ?? '', arguments_, { stdio: 'ignore' });
  const request = readFileSync(file(`${name}.csr`)).toString('base64');
  return JSON.stringify({
    ...{ apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name } },
    spec: { request, ...spec },
  });
}

const conditionOf = async (name: string): Promise<string> =>
  (await kubectl(['get', 'csr', name, '--no-headers'])).stdout.trim().split(/\s+/).at(-1) ?? '';

async function issued(name: string): Promise<X509Certificate> {
  await expect.poll(() => conditionOf(name), { timeout: 10_000 }).toBe('Approved,Issued');
  const { stdout } = await kubectl(['get', 'csr', name, '-o', 'jsonpath={.status.certificate}']);
  const pem = Buffer.from(stdout, 'base64');
  writeFileSync(file(`${name}.crt`), pem);
  return new X509Certificate(pem);
}

const clientUsages = ['digital signature', 'client auth'];

describe.skipIf(skipWithout(kubectlProgram, opensslProgram))('certificate signing requests', () => {
  beforeAll(async () => {
    api = await RunningApiServer.start();
    writeFileSync(file('ca.crt'), api.ca.certificate);
    const client = (user: (typeof identities)['admin']): RestClient =>
      new RestClient(new InProcessTransport({ handler: api.server.handler, user, userAgent: 'test' }));
    const wanted = /certificate|approver|token-cleaner/;
    manager = new ControllerManager({
      ...{ name: 'kube-controller-manager/test', clock: new RealClock(), random: new SeededRandom(freshSeed()) },
      logger: silentLogger,
      client: client(identities.controllerManager),
      clientOf: (controller) => client(identities.controller(controller)),
      controllers: kubeControllers({ rootCa: api.ca.certificate, signing: api.ca }).filter(
        ({ name }) => wanted.test(name) && !name.startsWith('root'),
      ),
    });
    await manager.start(Context.background());
  });
  afterAll(async () => {
    await manager.stop();
    await api.close();
  });

  test('a person is approved by kubectl, signed, and let in', async () => {
    const spec = { signerName: 'kubernetes.io/kube-apiserver-client', expirationSeconds: 3600, usages: clientUsages };
    const created = await kubectl(['create', '-f', '-'], manifest('jane', '/O=dev/CN=jane', spec));
    expect(created.stdout).toBe('certificatesigningrequest.certificates.k8s.io/jane created\n');
    expect((await kubectl(['get', 'csr'])).stdout).toMatch(
      /^NAME +AGE +SIGNERNAME +REQUESTOR +REQUESTEDDURATION +CONDITION\njane +\d+s +kubernetes.io\/kube-apiserver-client +kubernetes-admin +60m +Pending\n$/,
    );
    const approved = await kubectl(['certificate', 'approve', 'jane']);
    expect(approved.stdout).toBe('certificatesigningrequest.certificates.k8s.io/jane approved\n');
    const certificate = await issued('jane');
    const lifeMs = Date.parse(certificate.validTo) - Date.parse(certificate.validFrom);
    expect(lifeMs).toBe(3_900_000);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    const who = await kubectl([...asCertificate('jane'), 'auth', 'whoami', '-o', 'jsonpath={.status.userInfo}']);
    expect(JSON.parse(who.stdout)).toMatchObject({ username: 'jane', groups: ['dev', 'system:authenticated'] });
    expect((await kubectl(['describe', 'csr', 'jane'])).stdout).toMatch(/Requesting User: +kubernetes-admin/);
  });

  test('what is denied is never signed, and what is decided stays decided', async () => {
    const spec = { signerName: 'kubernetes.io/kube-apiserver-client', usages: clientUsages };
    await kubectl(['create', '-f', '-'], manifest('eve', '/CN=eve', spec));
    expect((await kubectl(['certificate', 'deny', 'eve'])).code).toBe(0);
    expect(await conditionOf('eve')).toBe('Denied');
    const both = [
      { type: 'Denied', status: 'True' },
      { type: 'Approved', status: 'True' },
    ];
    const patch = JSON.stringify({ status: { conditions: both } });
    const again = await kubectl(['patch', 'csr', 'eve', '--subresource=approval', '--type=merge', '-p', patch]);
    expect(again.stderr + again.stdout).toContain('Approved and Denied conditions are mutually exclusive');
    const byStatus = await kubectl(['patch', 'csr', 'eve', '--subresource=status', '--type=merge', '-p', patch]);
    expect(byStatus.stderr).toContain('updates may not');
  });

  test('wrong requests are turned down, wrong usages fail at the signer', async () => {
    const spec = { signerName: 'kubernetes.io/kube-apiserver-client', usages: clientUsages };
    const noRequest = manifest('x', '/CN=x', { ...spec, request: Buffer.from('nonsense').toString('base64') });
    const { stderr } = await kubectl(['create', '-f', '-'], noRequest);
    expect(stderr).toContain('PEM block type must be CERTIFICATE REQUEST');
    const der = execFileSync(opensslProgram.path ?? '', ['req', '-in', file('x.csr'), '-outform', 'der']);
    der[der.length - 3] = (der[der.length - 3] ?? 0) ^ 1;
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    const unsigned = manifest('x', '/CN=x', { ...spec, request: Buffer.from(forged).toString('base64') });
    expect((await kubectl(['create', '-f', '-'], unsigned)).stderr).toContain('is not by its own key');
    const masters = await kubectl(['create', '-f', '-'], manifest('root', '/O=system:masters/CN=root', spec));
    expect(masters.stderr).toContain('with system:masters group is not allowed');
    await kubectl(['create', '-f', '-'], manifest('server', '/CN=s', { ...spec, usages: ['server auth'] }));
    await kubectl(['certificate', 'approve', 'server']);
    await expect.poll(() => conditionOf('server'), { timeout: 10_000 }).toBe('Approved,Failed');
  });

  test('who may not approve for the signer may not approve', async () => {
    const spec = { signerName: 'example.com/own', usages: clientUsages };
    await kubectl(['create', '-f', '-'], manifest('own', '/CN=own', spec));
    await kubectl([
      ...['create', 'clusterrole', 'half', '--verb=get,list,update'],
      '--resource=certificatesigningrequests.certificates.k8s.io,certificatesigningrequests.certificates.k8s.io/approval',
    ]);
    await kubectl(['create', 'clusterrolebinding', 'half', '--clusterrole=half', '--user=half']);
    const refused = await kubectl(['--as=half', 'certificate', 'approve', 'own']);
    expect(refused.stderr).toContain('user not permitted to approve requests with signerName "example.com/own"');
  });

  test('a machine joins: bootstrap token, client certificate, serving certificate for its own addresses', async () => {
    const secret = [
      ...['create', 'secret', 'generic', 'bootstrap-token-abcdef', '-n', 'kube-system'],
      ...['--type=bootstrap.kubernetes.io/token', '--from-literal=token-id=abcdef'],
      ...['--from-literal=token-secret=0123456789abcdef', '--from-literal=usage-bootstrap-authentication=true'],
      '--from-literal=auth-extra-groups=system:bootstrappers:kubeadm:default-node-token',
    ];
    expect((await kubectl(secret)).code).toBe(0);
    const token = as('--token=abcdef.0123456789abcdef');
    await expect
      .poll(async () => (await kubectl([...token, 'auth', 'whoami'])).stdout, { timeout: 5_000 })
      .toContain('system:bootstrap:abcdef');
    const spec = { signerName: 'kubernetes.io/kube-apiserver-client-kubelet', usages: clientUsages };
    const asked = manifest('node-w1', '/O=system:nodes/CN=system:node:w1', spec);
    expect((await kubectl([...token, 'create', '-f', '-'], asked)).stderr).toBe('');
    await issued('node-w1');
    const node = asCertificate('node-w1');
    expect((await kubectl([...node, 'auth', 'whoami'])).stdout).toContain('system:node:w1');
    const addresses = [
      { type: 'InternalIP', address: '172.30.0.11' },
      { type: 'Hostname', address: 'w1' },
    ];
    const own = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'w1' }, status: { addresses } };
    expect((await kubectl([...node, 'create', '-f', '-'], JSON.stringify(own))).stderr).toBe('');
    const serving = { signerName: 'kubernetes.io/kubelet-serving', usages: ['digital signature', 'server auth'] };
    const subject = '/O=system:nodes/CN=system:node:w1';
    const good = manifest('w1-serving', subject, serving, 'DNS:w1,IP:172.30.0.11');
    expect((await kubectl([...node, 'create', '-f', '-'], good)).stderr).toBe('');
    expect((await issued('w1-serving')).subjectAltName).toBe('DNS:w1, IP Address:172.30.0.11');
    const foreign = manifest('w1-foreign', subject, serving, 'IP:172.30.0.2');
    await kubectl([...node, 'create', '-f', '-'], foreign);
    const renewal = manifest('node-w1-2', subject, spec);
    await kubectl([...node, 'create', '-f', '-'], renewal);
    await issued('node-w1-2');
    expect(await conditionOf('w1-foreign')).toBe('Pending');
    const other = manifest('node-w2', '/O=system:nodes/CN=system:node:w2', spec);
    expect((await kubectl([...node, 'create', '-f', '-'], other)).stderr).toContain(
      'can only create a node CSR with CommonName=system:node:w1',
    );
    await meetsItsLimits(node);
    await kubectl(['patch', 'secret', '-n', 'kube-system', 'bootstrap-token-abcdef', '-p', expiration]);
    await expect
      .poll(async () => (await kubectl(['get', 'secret', '-n', 'kube-system', '-o', 'name'])).stdout, {
        timeout: 5_000,
      })
      .not.toContain('bootstrap-token');
    expect((await kubectl([...token, 'auth', 'whoami'])).stderr).toContain('Unauthorized');
  });
});

/** NodeRestriction and the node authorizer, as a kubelet meets them with its certificate. */
async function meetsItsLimits(node: readonly string[]): Promise<void> {
  const refusal = async (...args: readonly string[]): Promise<string> => (await kubectl([...node, ...args])).stderr;
  expect(await refusal('get', 'nodes')).toContain('can only list/watch nodes');
  expect(await refusal('get', 'pods', '-A')).toContain('can only list/watch pods with spec.nodeName field selector');
  expect(await refusal('get', 'pods', '-A', '--field-selector=spec.nodeName=w1')).toBe('No resources found\n');
  expect(await refusal('label', 'node', 'w1', 'example.com/a=b')).toBe('');
  expect(await refusal('label', 'node', 'w1', 'node-restriction.kubernetes.io/a=b')).toContain(
    'is not allowed to modify labels: node-restriction.kubernetes.io/a',
  );
  const taints = JSON.stringify({ spec: { taints: [] } });
  expect(await refusal('patch', 'node', 'w1', '--type=merge', '-p', taints)).toContain('not allowed to modify taints');
  await kubectl(['create', 'serviceaccount', 'robot']);
  const pod = { metadata: { name: 'p' }, spec: { serviceAccountName: 'robot', nodeName: 'w1', containers: [box] } };
  const created = await kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'Pod', ...pod }));
  expect(created.stderr).toBe('');
  const token = ['create', 'token', 'robot'];
  await expect.poll(() => refusal(...token), { timeout: 5_000 }).toContain('node requested token not bound to a pod');
  const uid = (await kubectl(['get', 'pod', 'p', '-o', 'jsonpath={.metadata.uid}'])).stdout;
  const bound = [...token, '--bound-object-kind=Pod', '--bound-object-name=p'];
  expect(await refusal(...bound, `--bound-object-uid=${uid}`)).toBe('');
  expect(await refusal(...bound, '--bound-object-uid=other')).toContain('does not match the UID in record');
}

const box = { name: 'box', image: 'busybox' };
const expiration = JSON.stringify({ stringData: { expiration: '2020-01-01T00:00:00Z' } });
