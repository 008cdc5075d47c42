import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { HttpsTransport } from '#client/https-transport';

interface KubeconfigText {
  readonly clusters: readonly {
    readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string };
  }[];
  readonly users: readonly {
    readonly user: { readonly 'client-certificate-data': string; readonly 'client-key-data': string };
  }[];
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

/** What a kubeconfig of one context says, decoded. */
export function readAccess(path: string): { server: string; ca: string; cert: string; key: string } {
  const config = parse(readFileSync(path, 'utf8')) as KubeconfigText;
  const cluster = config.clusters[0]?.cluster;
  const user = config.users[0]?.user;
  if (!cluster || !user) throw new Error(`${path} has no cluster or no user`);
  return {
    server: cluster.server,
    ca: decode(cluster['certificate-authority-data']),
    cert: decode(user['client-certificate-data']),
    key: decode(user['client-key-data']),
  };
}

/** Drydock's own HTTPS client, as the administrator of a kubeconfig. */
export function adminTransport(kubeconfig: string): HttpsTransport {
  const { server, ca, cert, key } = readAccess(kubeconfig);
  return new HttpsTransport({ server, ca, credentials: { cert, key }, userAgent: 'drydock-test' });
}
