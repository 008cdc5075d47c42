import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto as never);

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;
const serverAuth = '1.3.6.1.5.5.7.3.1';
const clientAuth = '1.3.6.1.5.5.7.3.2';

/** A certificate and its private key, both PEM. The key is a secret: it goes to files of mode 0600 and nowhere else. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** What a certificate is for: a server reached by names and addresses, or a client known by user and groups. */
export type CertificateSubject =
  | {
      readonly usage: 'server';
      readonly commonName: string;
      readonly dnsNames: readonly string[];
      readonly ips: readonly string[];
    }
  | { readonly usage: 'client'; readonly commonName: string; readonly groups: readonly string[] };

/** A self-signed authority for ten years, as kubeadm makes it (ECDSA P-256). */
export async function createAuthority(commonName: string, nowMs: number): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [commonName] }],
    notBefore: new Date(nowMs - dayMs),
    notAfter: new Date(nowMs + 3650 * dayMs),
    signingAlgorithm: algorithm,
    keys: keys as never,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey as never),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
}

/** A certificate for `subject`, signed by `authority`, valid for one year from a day ago. */
export async function issueCertificate(
  authority: KeyPair,
  subject: CertificateSubject,
  nowMs: number,
): Promise<KeyPair> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const signingKey = await importKey(authority.key);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: subjectName(subject),
    issuer: issuer.subject,
    notBefore: new Date(nowMs - dayMs),
    notAfter: new Date(nowMs + 365 * dayMs),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey as never,
    signingKey: signingKey as never,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      ...subjectExtensions(subject),
      await x509.AuthorityKeyIdentifierExtension.create(issuer as never),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
}

/** When the certificate ends, in milliseconds since the epoch. Throws when `pem` is no certificate. */
export function expiryOf(pem: string): number {
  return new x509.X509Certificate(pem).notAfter.getTime();
}

function subjectName(subject: CertificateSubject): x509.JsonName {
  const groups = subject.usage === 'client' ? subject.groups.map((group) => ({ O: [group] })) : [];
  return [...groups, { CN: [subject.commonName] }];
}

function subjectExtensions(subject: CertificateSubject): x509.Extension[] {
  if (subject.usage === 'client') return [new x509.ExtendedKeyUsageExtension([clientAuth])];
  return [
    new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
    new x509.SubjectAlternativeNameExtension([
      ...subject.dnsNames.map((value) => ({ type: 'dns' as const, value })),
      ...subject.ips.map((value) => ({ type: 'ip' as const, value })),
    ]),
  ];
}

/** A positive 128 bit number in hex, as CAs use. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/.{1,64}/g, '$&\n')}-----END PRIVATE KEY-----\n`;
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
}
