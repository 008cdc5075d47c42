import { isIP } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';
import { messageOf } from '#base/errors';
import { ClusterError } from '../errors.ts';
import type { ExternalEndpoints } from './store-config.ts';

/** What of the person's files was read. */
export interface EndpointTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

const timeoutMs = 3_000;
/** How an HTTP/2 client begins: etcd says nothing before. */
const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

const untrusted = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
]);

/**
 * Whether a TLS connection to `endpoint` comes about as it should. Resolves with why nobody answers there, which another endpoint
 * may make good, or with undefined. Throws ClusterError INVALID for what is set up wrongly.
 */
export async function checkTls(
  endpoint: string,
  files: ExternalEndpoints,
  tls: EndpointTls,
): Promise<string | undefined> {
  const { hostname, port } = new URL(endpoint);
  const host = hostname.replace(/^\[|\]$/g, '');
  const failure = await handshake({
    ...{ host, port: Number(port), ...tls, ALPNProtocols: ['h2'] },
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
  if (!failure) return undefined;
  const { code = '' } = failure;
  const shown = files.ca === undefined ? "none of this computer's authorities" : `--etcd-ca ${files.ca} did not`;
  const says = (text: string): ClusterError => new ClusterError('INVALID', `${endpoint} ${text}`, { cause: failure });
  if (untrusted.has(code))
    throw says(`shows a certificate that ${files.ca === undefined ? shown : shown} sign: is it the right authority?`);
  if (code === 'CERT_HAS_EXPIRED') throw says('shows a certificate that has expired: have it renewed');
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    throw says(`shows a certificate for other names (${messageOf(failure)}): use a name or address that it has`);
  if (/ALERT/.test(code) || code === 'ECONNRESET_AFTER_HANDSHAKE')
    throw says(
      files.cert === undefined
        ? 'asks for a client certificate: give --etcd-cert and --etcd-key'
        : `refuses the client certificate of --etcd-cert ${files.cert}: is it signed by the authority that it trusts?`,
    );
  if (code === 'EPROTO' || /WRONG_VERSION_NUMBER/.test(code)) throw says('does not speak TLS: is it http:// ?');
  return messageOf(failure);
}

/** Undefined when both sides are content. A server that refuses the client's certificate says so after the handshake. */
function handshake(options: ConnectionOptions): Promise<(Error & { code?: string }) | undefined> {
  return new Promise((resolve) => {
    let secured = false;
    const socket = connect({ ...options, timeout: timeoutMs }, () => {
      secured = true;
      socket.write(preface);
    });
    const settle = (failure?: Error & { code?: string }): void => {
      resolve(failure);
      socket.destroy();
    };
    socket.once('data', () => settle());
    socket.once('error', (error: Error & { code?: string }) => {
      settle(secured && error.code === 'ECONNRESET' ? closed() : error);
    });
    socket.once('close', () => settle(secured ? closed() : new Error('it closed the connection')));
    socket.once('timeout', () => settle(new Error(`no answer within ${timeoutMs / 1000} s`)));
  });
}

function closed(): Error & { code: string } {
  return Object.assign(new Error('it closed the connection'), { code: 'ECONNRESET_AFTER_HANDSHAKE' });
}
