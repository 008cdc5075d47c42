import 'reflect-metadata';
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509';
import { decodeBase64 } from '../machinery/base64.ts';

/** What a PKCS #10 request asks for, as far as Kubernetes looks at it. */
export interface RequestedCertificate {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
  /** The request itself: for checking its signature, and for signing. */
  readonly pkcs10: Pkcs10CertificateRequest;
}

const pem = /-----BEGIN ([A-Z0-9 ]+)-----([^-]+)-----END \1-----/;

/** Reads `spec.request` of a CertificateSigningRequest (base64 of PEM). Throws an Error that says what is wrong with it. */
export function parseCertificateRequest(request: string): RequestedCertificate {
  const bytes = decodeBase64(request);
  const block = pem.exec(bytes ? new TextDecoder().decode(bytes) : '');
  if (block?.[1] !== 'CERTIFICATE REQUEST') throw new Error('PEM block type must be CERTIFICATE REQUEST');
  const der = decodeBase64(block[2] ?? '');
  if (!der) throw new Error('PEM block type must be CERTIFICATE REQUEST');
  const pkcs10 = parseDer(der);
  const alternatives = pkcs10.extensions.filter((one) => one instanceof SubjectAlternativeNameExtension);
  const names = alternatives.flatMap((one) => one.names.toJSON());
  const namesOf = (type: string): readonly string[] =>
    names.filter((name) => name.type === type).map((name) => name.value);
  return {
    commonName: pkcs10.subjectName.getField('CN')[0] ?? '',
    organizations: pkcs10.subjectName.getField('O'),
    dnsNames: namesOf('dns'),
    ipAddresses: namesOf('ip'),
    emailAddresses: namesOf('email'),
    uris: namesOf('url'),
    pkcs10,
  };
}

function parseDer(der: Uint8Array<ArrayBuffer>): Pkcs10CertificateRequest {
  try {
    return new Pkcs10CertificateRequest(der);
  } catch (cause) {
    throw new Error('asn1: structure error: the request is no PKCS #10 certificate request', { cause });
  }
}

/** Whether who asks holds the private key of the public key in the request. */
export async function isSignedByItsKey({ pkcs10 }: RequestedCertificate): Promise<boolean> {
  try {
    return await pkcs10.verify();
  } catch {
    // A key or a signature of a kind that WebCrypto does not know cannot be checked, so it is not believed.
    return false;
  }
}
