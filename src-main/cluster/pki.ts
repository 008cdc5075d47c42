import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { createAuthority, expiryOf, issueCertificate, type CertificateSubject, type KeyPair } from './certificates.ts';
import { ClusterError } from './errors.ts';
import { readTextFile, writeFileAtomic } from './files.ts';

/** The keys of one lab, as kubeadm lays them out under /etc/kubernetes/pki. */
export interface ClusterPki {
  readonly ca: KeyPair;
  readonly etcdCa: KeyPair;
  readonly apiserver: KeyPair;
  /** As whom the API server speaks to kubelets. */
  readonly apiserverKubeletClient: KeyPair;
  readonly admin: KeyPair;
  readonly etcdServer: KeyPair;
  readonly etcdClient: KeyPair;
  /** Programs of real nodes: the same on all of a lab. */
  readonly kubeProxy: KeyPair;
  readonly networkAgent: KeyPair;
  /** PKCS #8 PEM of the key that signs service account tokens (ECDSA P-256). */
  readonly serviceAccountKey: string;
  /** Where the files lie. */
  readonly folder: string;
}

const renewBeforeMs = 30 * 86_400_000;

/**
 * Reads a lab's keys, making those that are missing and renewing certificates that end within 30 days or lack a name that an
 * older Drydock did not know.
 */
export async function loadOrCreatePki(folder: string, nowMs: number): Promise<ClusterPki> {
  const ca = await authority(folder, 'ca', 'kubernetes', nowMs);
  const etcdCa = await authority(folder, 'etcd-ca', 'etcd-ca', nowMs);
  const leaf = (name: string, signer: KeyPair, subject: CertificateSubject): Promise<KeyPair> =>
    certificate(folder, name, signer, subject, nowMs);
  const client = (name: string, commonName: string): Promise<KeyPair> =>
    leaf(name, ca, { usage: 'client', commonName, groups: [] });
  const [apiserver, apiserverKubeletClient, admin, kubeProxy, networkAgent] = await Promise.all([
    leaf('apiserver', ca, apiserverSubject),
    leaf('apiserver-kubelet-client', ca, kubeletClientSubject),
    leaf('admin', ca, { usage: 'client', commonName: 'kubernetes-admin', groups: ['system:masters'] }),
    client('kube-proxy', 'system:kube-proxy'),
    client('network-agent', 'system:drydock-network'),
  ]);
  const [etcdServer, etcdClient] = await Promise.all([
    leaf('etcd-server', etcdCa, etcdSubject('etcd')),
    leaf('etcd-client', etcdCa, { usage: 'client', commonName: 'drydock-etcd-client', groups: [] }),
  ]);
  const leaves = { apiserver, apiserverKubeletClient, admin, kubeProxy, networkAgent, etcdServer, etcdClient };
  return { ca, etcdCa, ...leaves, serviceAccountKey: serviceAccountKey(folder), folder };
}

/** With what the members of a local etcd know each other. */
export interface PeerPki {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** As {@link loadOrCreatePki}, for labs with etcd members of their own. */
export async function loadOrCreatePeerPki(folder: string, nowMs: number): Promise<PeerPki> {
  const ca = await authority(folder, 'etcd-peer-ca', 'etcd-peer-ca', nowMs);
  await certificate(folder, 'etcd-peer', ca, etcdSubject('etcd-peer'), nowMs);
  const file = (name: string): string => join(folder, name);
  return { caFile: file('etcd-peer-ca.crt'), certFile: file('etcd-peer.crt'), keyFile: file('etcd-peer.key') };
}

function etcdSubject(commonName: string): CertificateSubject {
  return { usage: 'server', commonName, dnsNames: ['localhost'], ips: ['127.0.0.1'] };
}

const apiserverSubject: CertificateSubject = {
  usage: 'server',
  commonName: 'kube-apiserver',
  dnsNames: [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
    'localhost',
  ],
  ips: ['127.0.0.1', '10.96.0.1', '172.30.0.2'],
};

const kubeletClientSubject: CertificateSubject = {
  usage: 'client',
  commonName: 'kube-apiserver-kubelet-client',
  groups: ['kubeadm:cluster-admins'],
};

async function authority(folder: string, name: string, commonName: string, nowMs: number): Promise<KeyPair> {
  const known = readPair(folder, name);
  // Nothing was signed yet: the first start was cut short between the two files.
  const isFirstStart = readTextFile(join(folder, 'apiserver.crt')) === undefined;
  if (known === 'torn' && !isFirstStart) throw damaged(folder, name);
  if (known !== undefined && known !== 'torn') return known;
  return writePair(folder, name, await createAuthority(commonName, nowMs));
}

async function certificate(
  folder: string,
  name: string,
  signer: KeyPair,
  subject: CertificateSubject,
  nowMs: number,
): Promise<KeyPair> {
  const known = readPair(folder, name);
  if (known !== undefined && known !== 'torn' && isGood(known.certificate, subject, nowMs)) return known;
  return writePair(folder, name, await issueCertificate(signer, subject, nowMs));
}

function isGood(pem: string, subject: CertificateSubject, nowMs: number): boolean {
  if (expiryOf(pem) - nowMs <= renewBeforeMs) return false;
  if (subject.usage === 'client') return true;
  const known = new X509Certificate(pem);
  return subject.ips.every((ip) => known.checkIP(ip)) && subject.dnsNames.every((name) => known.checkHost(name));
}

/** `torn` when one half is missing or is not the other's, which is what a crash between the two writes leaves. */
function readPair(folder: string, name: string): KeyPair | 'torn' | undefined {
  const certificatePem = readTextFile(join(folder, `${name}.crt`));
  const key = readTextFile(join(folder, `${name}.key`));
  if (certificatePem === undefined && key === undefined) return undefined;
  if (certificatePem === undefined || key === undefined) return 'torn';
  try {
    const belong = new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(key));
    return belong ? { certificate: certificatePem, key } : 'torn';
  } catch (error) {
    throw damaged(folder, name, error);
  }
}

function damaged(folder: string, name: string, cause?: unknown): ClusterError {
  const files = `${join(folder, name)}.crt and .key`;
  return new ClusterError(
    'HOME_DAMAGED',
    `${files} are damaged; restore both, or delete both to have them made again`,
    { cause },
  );
}

/** The key first: nobody uses a key without its certificate. */
function writePair(folder: string, name: string, pair: KeyPair): KeyPair {
  writeFileAtomic(join(folder, `${name}.key`), pair.key);
  writeFileAtomic(join(folder, `${name}.crt`), pair.certificate);
  return pair;
}

function serviceAccountKey(folder: string): string {
  const path = join(folder, 'sa.key');
  const known = readTextFile(path);
  if (known !== undefined) {
    try {
      createPrivateKey(known);
      return known;
    } catch (error) {
      throw new ClusterError(
        'HOME_DAMAGED',
        `${path} is no private key; restore it, or delete it to have a new one made`,
        { cause: error },
      );
    }
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  writeFileAtomic(path, pem);
  return pem;
}
