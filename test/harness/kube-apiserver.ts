import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AsyncQueue } from '#base/async-queue';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { present } from '#base/errors';
import { parseCidr } from '#base/ip';
import { silentLogger } from '#base/logger';
import { freshSeed, SeededRandom } from '#base/random';
import { type ByteStream, DialError, type ExecOptions, type ExecSession } from '#base/streams';
import { KubeApiServer } from '#apiserver/kube-apiserver';
import type { KubeletConnection, KubeletLocator, PodLogRequest } from '#apiserver/kubelet-connection';
import { createAuthority, issueCertificate, type KeyPair } from '#cluster/certificates';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';

/** A whole kube-apiserver on a port of its own, with a store in a fresh directory and a kubelet that is made up. */
export class RunningApiServer {
  readonly server: KubeApiServer;
  readonly kubeconfig: string;
  readonly folder: string;
  readonly ca: KeyPair;
  readonly #etcd: EmbeddedEtcd;

  private constructor(server: KubeApiServer, etcd: EmbeddedEtcd, folder: string, kubeconfig: string, ca: KeyPair) {
    this.ca = ca;
    this.server = server;
    this.#etcd = etcd;
    this.folder = folder;
    this.kubeconfig = kubeconfig;
  }

  static async start(
    port = 0,
    {
      ips = [],
      kubelets = async () => fakeKubelet,
    }: { readonly ips?: readonly string[]; readonly kubelets?: KubeletLocator } = {},
  ): Promise<RunningApiServer> {
    const folder = mkdtempSync(join(tmpdir(), 'drydock-kube-apiserver-'));
    const clock = new RealClock();
    const etcd = await EmbeddedEtcd.open({ path: join(folder, 'etcd'), clock, logger: silentLogger });
    const now = clock.now();
    const ca = await createAuthority('kubernetes', now);
    const subject = {
      usage: 'server',
      commonName: 'kube-apiserver',
      dnsNames: ['localhost'],
      ips: ['127.0.0.1', ...ips],
    } as const;
    const own = await issueCertificate(ca, subject, now);
    const admin = await issueCertificate(
      ca,
      { usage: 'client', commonName: 'kubernetes-admin', groups: ['system:masters'] },
      now,
    );
    const server = new KubeApiServer({
      ...{
        name: 'kube-apiserver/test',
        host: '127.0.0.1',
        port,
        etcd,
        clock,
        random: new SeededRandom(freshSeed()),
        logger: silentLogger,
      },
      tls: { ca: ca.certificate, cert: own.certificate, key: own.key },
      serviceAccountKey: generateKeyPairSync('ec', { namedCurve: 'P-256' })
        .privateKey.export({ type: 'pkcs8', format: 'pem' })
        .toString(),
      staticTokens: new Map(),
      serviceCidr: present(parseCidr('10.96.0.0/16'), 'a CIDR'),
      kubelets,
      postStartHooks: [],
    });
    await server.start(Context.background());
    const kubeconfig = join(folder, 'kubeconfig');
    writeFileSync(kubeconfig, kubeconfigOf(server.port, ca, admin), { mode: 0o600 });
    return new RunningApiServer(server, etcd, folder, kubeconfig, ca);
  }

  async close(): Promise<void> {
    await this.server.stop();
    await this.#etcd.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function kubeconfigOf(port: number, ca: KeyPair, client: KeyPair): string {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const user = { 'client-certificate-data': base64(client.certificate), 'client-key-data': base64(client.key) };
  return JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
    clusters: [
      {
        name: 'test',
        cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': base64(ca.certificate) },
      },
    ],
    users: [{ name: 'admin', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
  });
}

const text = (words: string): Uint8Array => Buffer.from(words);

async function* linesOf(request: PodLogRequest): AsyncGenerator<Uint8Array> {
  for (const line of ['one', 'two', 'three'].slice(-(request.tailLines ?? 3))) yield text(`${line}\n`);
}

/** Says what it was asked, echoes its standard input, and exits as the command's last word says. */
function session({ command, stdin, tty }: ExecOptions): ExecSession {
  const stdout = new AsyncQueue<Uint8Array>();
  const stderr = new AsyncQueue<Uint8Array>();
  let finish: (code: number) => void = () => {};
  const exit = new Promise<{ exitCode: number }>((resolve) => {
    finish = (exitCode) => {
      stdout.end();
      stderr.end();
      resolve({ exitCode });
    };
  });
  const code = Number(command.at(-1)) || 0;
  stdout.push(text(`ran ${command.join(' ')}${tty ? ' on a terminal' : ''}\n`));
  if (!tty) stderr.push(text('to stderr\n'));
  if (!stdin) finish(code);
  return {
    stdin: stdin
      ? { write: async (chunk) => stdout.push(text(`got ${Buffer.from(chunk).toString()}`)), end: () => finish(code) }
      : undefined,
    ...{ stdout, stderr, exit, resize: () => {}, close: () => finish(137) },
  };
}

/** A server inside the pod that answers one line of greeting and then echoes in capitals. */
function greeter(): ByteStream {
  const incoming = new AsyncQueue<Uint8Array>();
  return {
    incoming,
    write: async (chunk) => incoming.push(text(Buffer.from(chunk).toString().toUpperCase())),
    end: () => incoming.end(),
    destroy: () => incoming.end(),
  };
}

/** The server's end of a connection over which HTTP is spoken: says `words` and what it was asked for. */
function httpServer(words: string): ByteStream {
  const incoming = new AsyncQueue<Uint8Array>();
  let asked = '';
  const write = async (chunk: Uint8Array): Promise<void> => {
    asked += Buffer.from(chunk).toString();
    if (!asked.includes('\r\n\r\n')) return;
    const body = `${words}: ${asked.split('\r\n')[0]}`;
    incoming.push(text(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n${body}`));
    incoming.end();
  };
  return { incoming, write, end: () => {}, destroy: () => incoming.end() };
}

const fakeKubelet: KubeletConnection = {
  logs: async (_context, request) => linesOf(request),
  exec: async (_context, _namespace, _pod, _container, options) => session(options),
  attach: async (_context, _namespace, _pod, _container, options) => session(options),
  portForward: async (_context, _namespace, _pod, port) => {
    if (port === 8080) return httpServer('from the pod');
    if (port !== 80) throw new DialError('ECONNREFUSED', `dial tcp4 127.0.0.1:${port}: connect: connection refused`);
    return greeter();
  },
  dial: async (): Promise<ByteStream> => httpServer('from the kubelet'),
};
