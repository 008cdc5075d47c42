import type { TLSSocket } from 'node:tls';
import type { ClientCertificate } from './authenticator.ts';

/** What the TLS layer knows of the other end. OpenSSL has checked the chain and the dates by the time this is asked. */
export type PeerSocket = Pick<TLSSocket, 'authorized' | 'getPeerCertificate'>;

/** The certificate the client presented; undefined when it presented none. */
export function clientCertificateOf(socket: PeerSocket): ClientCertificate | undefined {
  const certificate = socket.getPeerCertificate();
  // Node gives an empty object where there is none, whatever its types say.
  if (!('subject' in certificate)) return undefined;
  const subject: Readonly<Record<string, string | readonly string[] | undefined>> = { ...certificate.subject };
  const [commonName = ''] = valuesOf(subject['CN']);
  return {
    verified: socket.authorized,
    commonName,
    organizations: valuesOf(subject['O']),
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

function valuesOf(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}
