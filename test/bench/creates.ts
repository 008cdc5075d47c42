import { connect, type ClientHttp2Session } from 'node:http2';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

interface KubeconfigText {
  readonly clusters: readonly {
    readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string };
  }[];
  readonly users: readonly {
    readonly user: { readonly 'client-certificate-data': string; readonly 'client-key-data': string };
  }[];
}

let run = 0;

/** Acknowledged ConfigMap creates a second over HTTP/2 with TLS, `inFlight` at a time, for `durationMs`. */
export async function createsPerSecond(kubeconfig: string, inFlight: number, durationMs: number): Promise<number> {
  const session = open(kubeconfig);
  const prefix = `bench-${run++}`;
  const startedMs = performance.now();
  let created = 0;
  const writer = async (): Promise<void> => {
    while (performance.now() - startedMs < durationMs) await create(session, `${prefix}-${created++}`);
  };
  await Promise.all(Array.from({ length: inFlight }, writer));
  const elapsedSeconds = (performance.now() - startedMs) / 1000;
  session.close();
  return created / elapsedSeconds;
}

function open(kubeconfig: string): ClientHttp2Session {
  const config = parse(readFileSync(kubeconfig, 'utf8')) as KubeconfigText;
  const [{ cluster } = { cluster: undefined }] = config.clusters;
  const [{ user } = { user: undefined }] = config.users;
  if (!cluster || !user) throw new Error(`${kubeconfig} has no cluster or no user`);
  return connect(cluster.server, {
    ca: Buffer.from(cluster['certificate-authority-data'], 'base64'),
    cert: Buffer.from(user['client-certificate-data'], 'base64'),
    key: Buffer.from(user['client-key-data'], 'base64'),
  });
}

function create(session: ClientHttp2Session, name: string): Promise<void> {
  const body = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { key: 'value' } });
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/api/v1/namespaces/default/configmaps',
      'content-type': 'application/json',
    });
    stream.on('response', (headers) => {
      if (headers[':status'] !== 201) reject(new Error(`create answered ${String(headers[':status'])}`));
    });
    stream.on('error', reject);
    stream.on('end', resolve);
    stream.resume();
    stream.end(body);
  });
}
