import { X509Certificate } from 'node:crypto';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import { CertificateManager } from '#client/certificates/certificate-manager';
import { createSelfSigned, type RequestedSubject } from '#client/certificates/certificate-request';
import { CertificateStore, type CertificateAndKey } from '#client/certificates/certificate-store';
import type { KubeClient } from '#client/client';
import { HttpsTransport } from '#client/https-transport';
import { RestClient } from '#client/rest-client';
import { RotatingTransport } from '#client/rotating-transport';
import { apiTransport, type AgentProcessOptions } from './process.ts';

export const pkiFolder = '/var/lib/kubelet/pki';

function nodeSubject(nodeName: string): RequestedSubject {
  return { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'], dnsNames: [], ips: [] };
}

/**
 * Who the kubelet is to the API server (TLS bootstrap, cmd/kubelet, release 1.36): the client certificate it has, or one
 * that it asks for with the bootstrap token; rotated from then on without breaking a watch.
 */
export async function establishIdentity(
  life: Context,
  { config, clock, random, logger }: AgentProcessOptions,
  folder = pkiFolder,
): Promise<RotatingTransport> {
  const transportOf = ({ certificate, key }: CertificateAndKey): HttpsTransport =>
    apiTransport(config, { certificate, key }, 'kubelet');
  const { ip, port } = config.apiAddress;
  const bootstrap = new HttpsTransport({
    ...{ server: `https://${ip}:${port}`, ca: config.caCertificate },
    credentials: { token: config.bootstrapToken },
    userAgent: `kubelet/${config.kubernetesVersion} (linux/amd64) drydock`,
  });
  const transport = new RotatingTransport(bootstrap);
  const manager = new CertificateManager({
    ...{ clock, random, logger, ca: config.caCertificate, name: 'client certificate' },
    store: new CertificateStore(folder, 'kubelet-client'),
    subject: nodeSubject(config.nodeName),
    signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
    usages: ['digital signature', 'client auth'],
    client: () => new RestClient(transport),
    onChange: (current) => transport.replace(transportOf(current)),
  });
  const held = manager.current;
  if (held) {
    transport.replace(transportOf(held));
    logger.info('using the client certificate at hand', { until: new X509Certificate(held.certificate).validTo });
  } else logger.info('asking for a client certificate', { node: config.nodeName });
  await manager.ensure(life);
  bootstrap.close();
  inBackground(manager.run(life), (error) => logger.error('client certificate not rotated', { error }));
  return transport;
}

/**
 * The certificate of the port 10250: what the cluster signed, as soon as it has; until then one of our own. Returns what
 * to begin with; `onChange` hears of each one after it.
 */
export async function servingCertificate(
  { config, clock, random, logger }: AgentProcessOptions,
  client: KubeClient,
  internalIP: string,
  onChange: (current: CertificateAndKey) => void,
  folder = pkiFolder,
): Promise<{ readonly first: CertificateAndKey; readonly run: (life: Context) => void }> {
  const subject = { ...nodeSubject(config.nodeName), dnsNames: [config.nodeName], ips: [internalIP] };
  const manager = new CertificateManager({
    ...{ clock, random, logger, ca: config.caCertificate, name: 'serving certificate' },
    ...{ store: new CertificateStore(folder, 'kubelet-server'), subject, onChange },
    signerName: 'kubernetes.io/kubelet-serving',
    usages: ['digital signature', 'server auth'],
    client: () => client,
  });
  const first = manager.current ?? (await createSelfSigned(subject, clock.now()));
  const run = (life: Context): void =>
    inBackground(manager.run(life), (error) => logger.error('serving certificate not rotated', { error }));
  return { first, run };
}

function inBackground(running: Promise<unknown>, report: (error: string) => void): void {
  running.catch((error: unknown) => {
    if (!(error instanceof CancelledError)) report(messageOf(error));
  });
}
