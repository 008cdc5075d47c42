import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { createAuthority, expiryOf, issueCertificate, type CertificateSubject, type KeyPair } from './certificates.ts';
import { ClusterError } from './errors.ts';
import { readTextFile, writeFileAtomic } from './files.ts';

/** The keys of one lab, as kubeadm lays them out under /etc/kubernetes/pki. */
export interface ClusterPki {
  readonly ca: KeyPair;
  readonly etcdCa: KeyPair;
  readonly apiserver: KeyPair;
  readonly admin: KeyPair;
  readonly etcdServer: KeyPair;
  readonly etcdClient: KeyPair;
  /** PKCS #8 PEM of the key that signs service account tokens (ECDSA P-256). */
  readonly serviceAccountKey: string;
  /** Where the files lie. */
  readonly folder: string;
}

const renewBeforeMs = 30 * 86_400_000;

/** Reads a lab's keys, making those that are missing and renewing certificates that end within 30 days. */
export async function loadOrCreatePki(folder: string, nowMs: number): Promise<ClusterPki> {
  const ca = await authority(folder, 'ca', 'kubernetes', nowMs);
  const etcdCa = await authority(folder, 'etcd-ca', 'etcd-ca', nowMs);
  const leaf = (name: string, signer: KeyPair, subject: CertificateSubject): Promise<KeyPair> =>
    certificate(folder, name, signer, subject, nowMs);
  const [apiserver, admin, etcdServer, etcdClient] = await Promise.all([
    leaf('apiserver', ca, apiserverSubject),
    leaf('admin', ca, { usage: 'client', commonName: 'kubernetes-admin', groups: ['system:masters'] }),
    leaf('etcd-server', etcdCa, { usage: 'server', commonName: 'etcd', dnsNames: ['localhost'], ips: ['127.0.0.1'] }),
    leaf('etcd-client', etcdCa, { usage: 'client', commonName: 'drydock-etcd-client', groups: [] }),
  ]);
  return { ca, etcdCa, apiserver, admin, etcdServer, etcdClient, serviceAccountKey: serviceAccountKey(folder), folder };
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
  ips: ['127.0.0.1', '10.96.0.1'],
};

async function authority(folder: string, name: string, commonName: string, nowMs: number): Promise<KeyPair> {
  return readPair(folder, name) ?? writePair(folder, name, await createAuthority(commonName, nowMs));
}

async function certificate(
  folder: string,
  name: string,
  signer: KeyPair,
  subject: CertificateSubject,
  nowMs: number,
): Promise<KeyPair> {
  const known = readPair(folder, name);
  if (known && expiryOf(known.certificate) - nowMs > renewBeforeMs) return known;
  return writePair(folder, name, await issueCertificate(signer, subject, nowMs));
}

function readPair(folder: string, name: string): KeyPair | undefined {
  const certificatePem = readTextFile(join(folder, `${name}.crt`));
  const key = readTextFile(join(folder, `${name}.key`));
  if (certificatePem === undefined && key === undefined) return undefined;
  try {
    if (certificatePem === undefined || key === undefined) throw new Error('its other half is missing');
    expiryOf(certificatePem);
    createPrivateKey(key);
    return { certificate: certificatePem, key };
  } catch (error) {
    throw new ClusterError(
      'HOME_DAMAGED',
      `${join(folder, name)}.crt and .key are damaged; restore both, or delete both to have them made again`,
      { cause: error },
    );
  }
}

/** The key first: a crash between the two leaves a half that the next start names. */
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
