import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { RequestedCertificate } from '#api/certificates/certificate-request';

/** The authority that signs, PEM. The key is a secret. */
export interface SigningAuthority {
  readonly certificate: string;
  /** PKCS #8, ECDSA P-256. */
  readonly key: string;
}

const minuteMs = 60_000;
const dayMs = 1440 * minuteMs;
/** `--cluster-signing-duration` of kube-controller-manager, release 1.36: the longest a certificate lives. */
const longestMs = 365 * dayMs;
const shortestMs = 10 * minuteMs;
/** Clocks of nodes may be behind: a certificate is good from five minutes ago. */
const backdateMs = 5 * minuteMs;
/** Below this, what was backdated is not taken from the end. */
const shortLivedMs = 480 * minuteMs;

const keyUsages: Readonly<Record<string, x509.KeyUsageFlags>> = {
  signing: x509.KeyUsageFlags.digitalSignature,
  'digital signature': x509.KeyUsageFlags.digitalSignature,
  'content commitment': x509.KeyUsageFlags.nonRepudiation,
  'key encipherment': x509.KeyUsageFlags.keyEncipherment,
  'key agreement': x509.KeyUsageFlags.keyAgreement,
  'data encipherment': x509.KeyUsageFlags.dataEncipherment,
  'cert sign': x509.KeyUsageFlags.keyCertSign,
  'crl sign': x509.KeyUsageFlags.cRLSign,
  'encipher only': x509.KeyUsageFlags.encipherOnly,
  'decipher only': x509.KeyUsageFlags.decipherOnly,
};
const purposes: Readonly<Record<string, string>> = {
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
};

/** From when until when a certificate is good (`PermissiveSigningPolicy`, release 1.36). */
export function validity(
  expirationSeconds: number | undefined,
  nowMs: number,
  authorityEndMs: number,
): { readonly fromMs: number; readonly untilMs: number } {
  const asked = expirationSeconds === undefined ? longestMs : expirationSeconds * 1000;
  const lifeMs = Math.min(Math.max(asked, shortestMs), longestMs);
  const untilMs = nowMs + (lifeMs < shortLivedMs ? lifeMs : lifeMs - backdateMs);
  return { fromMs: nowMs - backdateMs, untilMs: Math.min(untilMs, authorityEndMs) };
}

/** The certificate asked for, PEM: subject, names and key as in the request, usages and life as granted. */
export async function signCertificate(
  authority: SigningAuthority,
  asked: RequestedCertificate,
  usages: readonly string[],
  expirationSeconds: number | undefined,
  nowMs: number,
): Promise<string> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const { fromMs, untilMs } = validity(expirationSeconds, nowMs, issuer.notAfter.getTime());
  const flags = usages.reduce((all, usage) => all | (keyUsages[usage] ?? 0), 0);
  const extended = usages.map((usage) => purposes[usage]).filter((oid) => oid !== undefined);
  const names = asked.pkcs10.extensions.filter((one) => one instanceof x509.SubjectAlternativeNameExtension);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: asked.pkcs10.subjectName,
      issuer: issuer.subjectName,
      notBefore: new Date(fromMs),
      notAfter: new Date(untilMs),
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      publicKey: asked.pkcs10.publicKey,
      signingKey: (await signingKey(authority.key)) as never,
      extensions: [
        new x509.KeyUsagesExtension(flags, true),
        ...(extended.length > 0 ? [new x509.ExtendedKeyUsageExtension(extended)] : []),
        new x509.BasicConstraintsExtension(false, undefined, true),
        await x509.AuthorityKeyIdentifierExtension.create(issuer as never),
        ...names,
      ],
    },
    webcrypto as never,
  );
  return `${certificate.toString('pem')}\n`;
}

/** A positive 128 bit number in hex, as CAs use. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function signingKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
}
