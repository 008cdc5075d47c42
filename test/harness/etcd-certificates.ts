import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** PEM files `ca`, `etcd` (for 127.0.0.1, servers and clients) and `stranger` (of another CA), as `.crt` and `.key`. */
export function makeEtcdCertificates(directory: string): void {
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const name of ['ca', 'stranger']) {
    const files = ['-keyout', `${name}.key`, '-out', `${name}.crt`];
    openssl('req', '-x509', '-days', '1', ...newKey, ...files, '-subj', `/CN=${name}`);
  }
  writeFileSync(join(directory, 'san'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  openssl('req', ...newKey, '-keyout', 'etcd.key', '-out', 'etcd.csr', '-subj', '/CN=etcd');
  const sign = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '1', '-extfile', 'san'];
  openssl('x509', '-req', '-in', 'etcd.csr', ...sign, '-out', 'etcd.crt');
}

/** The server's side of {@link makeEtcdCertificates}. */
export function etcdTls(directory: string): { ca: string; cert: string; key: string } {
  const file = (name: string): string => readFileSync(join(directory, name), 'utf8');
  return { ca: file('ca.crt'), cert: file('etcd.crt'), key: file('etcd.key') };
}
