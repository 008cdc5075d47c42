import 'reflect-metadata';
import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto as never);

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Whom a certificate is asked for. */
export interface RequestedSubject {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ips: readonly string[];
}

/** A fresh key and a request for a certificate of it, both PEM. The key is a secret. */
export interface KeyAndRequest {
  readonly key: string;
  readonly request: string;
}

/** Makes an ECDSA P-256 key and a PKCS #10 request, as client-go's `util/certificate` does (release 1.36). */
export async function createCertificateRequest(subject: RequestedSubject): Promise<KeyAndRequest> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const alternatives = alternativeNames(subject);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: nameOf(subject),
    keys: keys as never,
    signingAlgorithm: algorithm,
    extensions: alternatives ? [alternatives] : [],
  });
  return { key: await exportKey(keys.privateKey), request: `${request.toString('pem')}\n` };
}

/** A certificate that its own key signed, for a server nobody has vouched for yet. Valid from an hour ago, for a year. */
export async function createSelfSigned(
  subject: RequestedSubject,
  nowMs: number,
): Promise<{ readonly certificate: string; readonly key: string }> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const alternatives = alternativeNames(subject);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: nameOf(subject),
    notBefore: new Date(nowMs - 3_600_000),
    notAfter: new Date(nowMs + 365 * 86_400_000),
    signingAlgorithm: algorithm,
    keys: keys as never,
    extensions: alternatives ? [alternatives] : [],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
}

/** The first and last millisecond a PEM certificate is good for. Throws when it is none. */
export function validityOf(pem: string): { readonly notBeforeMs: number; readonly notAfterMs: number } {
  const { notBefore, notAfter } = new x509.X509Certificate(pem);
  return { notBeforeMs: notBefore.getTime(), notAfterMs: notAfter.getTime() };
}

function nameOf({ commonName, organizations }: RequestedSubject): x509.JsonName {
  return [...organizations.map((name) => ({ O: [name] })), { CN: [commonName] }];
}

function alternativeNames({ dnsNames, ips }: RequestedSubject): x509.SubjectAlternativeNameExtension | undefined {
  const names = [
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...ips.map((value) => ({ type: 'ip' as const, value })),
  ];
  return names.length === 0 ? undefined : new x509.SubjectAlternativeNameExtension(names);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/.{1,64}/g, '$&\n')}-----END PRIVATE KEY-----\n`;
}

/** Whether a stored certificate serves: of that authority, for that subject, in time, and with its own key. */
export function isGoodFor(
  stored: { readonly certificate: string; readonly key: string },
  subject: RequestedSubject,
  ca: string,
  nowMs: number,
): boolean {
  const { notBeforeMs, notAfterMs } = validityOf(stored.certificate);
  if (nowMs < notBeforeMs || nowMs >= notAfterMs) return false;
  const certificate = new X509Certificate(stored.certificate);
  if (!certificate.checkPrivateKey(createPrivateKey(stored.key))) return false;
  const authority = new X509Certificate(ca);
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey)) return false;
  const name = new x509.X509Certificate(stored.certificate).subjectName;
  return name.getField('CN')[0] === subject.commonName && subject.ips.every((ip) => certificate.checkIP(ip));
}
