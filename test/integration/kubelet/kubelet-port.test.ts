import { connect } from 'node:net';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HttpsKubeletConnection } from '#apiserver/kubelet-client/https-kubelet-connection';
import { AsyncQueue } from '#base/async-queue';
import { RealClock, SteppedClock, type Clock } from '#base/clock';
import { createSelfSigned } from '#client/certificates/certificate-request';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import type { ByteStream, ExecSession } from '#base/streams';
import { createAuthority, issueCertificate, type KeyPair } from '#cluster/certificates';
import { DelegatedAuthorizer } from '#kubelet/http/delegated-authorizer';
import { KubeletListener } from '#kubelet/http/kubelet-listener';
import { KubeletRoutes } from '#kubelet/http/kubelet-routes';
import type { KubeletServer } from '#kubelet/server';
import { StatusError } from '#api/machinery/status';
import type { KubeClient } from '#client/client';
import { byteStreamOf } from '#streaming/byte-streams';

/** A kubelet's server of which the test plays every part behind the port. */
class Backend {
  logs: () => AsyncIterable<Uint8Array> = () => new AsyncQueue();
  exec: () => ExecSession = () => fakeSession();
  dial: () => ByteStream = () => {
    throw new StatusError('NotFound', 'pod "ghost" not found');
  };
  asked: unknown[] = [];

  get server(): KubeletServer {
    return {
      logs: async (_context: Context, request: unknown) => {
        this.asked.push(request);
        return this.logs();
      },
      exec: async (...[, , , , options]: unknown[]) => {
        this.asked.push(options);
        return this.exec();
      },
      attach: async () => this.exec(),
      portForward: async () => this.dial(),
    } as unknown as KubeletServer;
  }
}

interface FakeSession extends ExecSession {
  readonly stdout: AsyncQueue<Uint8Array>;
  readonly stderr: AsyncQueue<Uint8Array>;
  readonly heard: string[];
  finish(code: number): void;
}

function fakeSession(): FakeSession {
  const [stdout, stderr] = [new AsyncQueue<Uint8Array>(), new AsyncQueue<Uint8Array>()];
  const heard: string[] = [];
  let settle: (code: number) => void = () => {};
  const exit = new Promise<{ exitCode: number }>((resolve) => {
    settle = (exitCode) => resolve({ exitCode });
  });
  const finish = (code: number): void => {
    stdout.end();
    stderr.end();
    settle(code);
  };
  return {
    stdin: {
      write: async (chunk) => void heard.push(`in ${Buffer.from(chunk).toString()}`),
      end: () => heard.push('end'),
    },
    ...{ stdout, stderr, heard, exit, finish },
    resize: (columns, rows) => heard.push(`${columns}x${rows}`),
    close: () => {
      heard.push('close');
      finish(137);
    },
  };
}

const backend = new Backend();
const reviewed: string[] = [];
const context = Context.background();
let listener: KubeletListener;
let ca: KeyPair;
let apiServer: KeyPair;
let guest: KeyPair;
let serving: KeyPair;

beforeAll(async () => {
  const nowMs = new RealClock().now();
  ca = await createAuthority('kubernetes', nowMs);
  const client = (commonName: string, group: string) =>
    issueCertificate(ca, { usage: 'client', commonName, groups: [group] }, nowMs);
  [apiServer, guest] = await Promise.all([
    client('kube-apiserver-kubelet-client', 'system:masters'),
    client('guest', 'guests'),
  ]);
  serving = await issueCertificate(
    ca,
    { usage: 'server', commonName: 'system:node:worker-1', dnsNames: ['worker-1'], ips: ['127.0.0.1'] },
    nowMs,
  );
  const reviews = {
    resource: () => ({
      create: async (
        _context: Context,
        review: { spec: { user: string; groups: string[]; resourceAttributes: { subresource: string } } },
      ) => {
        reviewed.push(`${review.spec.user} ${review.spec.resourceAttributes.subresource}`);
        return { ...review, status: { allowed: review.spec.groups.includes('system:masters') } };
      },
    }),
  } as unknown as KubeClient;
  listener = new KubeletListener({
    ...{ host: '127.0.0.1', port: 0, clientCa: ca.certificate, serving, logger: silentLogger },
    authorizer: new DelegatedAuthorizer(reviews, new RealClock(), 'worker-1'),
    routes: new KubeletRoutes({
      server: backend.server,
      pods: () => [],
      metrics: async () => 'kubelet_running_pods 0\n',
      summary: async () => ({ node: { nodeName: 'worker-1' } }),
    }),
  });
  await listener.start();
});
afterAll(() => listener.stop());

let dials = 0;

function connection(as: KeyPair, serverName = 'worker-1', clock: Clock = new RealClock()): HttpsKubeletConnection {
  return new HttpsKubeletConnection({
    ...{ ca: ca.certificate, cert: as.certificate, key: as.key, serverName, clock },
    dial: async () => {
      dials++;
      const socket = connect(listener.port, '127.0.0.1');
      await once(socket, 'connect');
      return byteStreamOf(socket);
    },
  });
}

const target = { namespace: 'default', pod: 'web', container: 'main' };
const plain = { ...target, follow: false, previous: false, timestamps: false };
const streams = { command: ['sh'], tty: false, stdin: true, stdout: true, stderr: true };
const bytes = (text: string): Uint8Array => Buffer.from(text);

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) text += Buffer.from(chunk).toString();
  return text;
}

describe('who may ask', () => {
  it('is the API server, whom the cluster is asked about once', async () => {
    const before = reviewed.length;
    for (let turn = 0; turn < 3; turn++) {
      backend.logs = async function* () {
        yield bytes('one\n');
      };
      expect(await textOf(await connection(apiServer).logs(context, plain))).toBe('one\n');
    }
    expect(reviewed.slice(before)).toEqual(['kube-apiserver-kubelet-client proxy']);
  });

  it('is nobody whom the cluster does not allow', async () => {
    const refused = connection(guest).logs(context, plain);
    await expect(refused).rejects.toMatchObject({
      reason: 'Forbidden',
      message: expect.stringContaining('user=guest'),
    });
    await expect(connection(guest).exec(context, 'default', 'web', 'main', streams)).rejects.toMatchObject({
      code: 403,
    });
  });

  it('is nobody with a certificate of another authority', async () => {
    const nowMs = new RealClock().now();
    const other = await createAuthority('kubernetes', nowMs);
    const forged = await issueCertificate(
      other,
      { usage: 'client', commonName: 'kube-apiserver-kubelet-client', groups: ['system:masters'] },
      nowMs,
    );
    await expect(connection(forged).logs(context, plain)).rejects.toMatchObject({ code: 401 });
  });

  it('is told when the kubelet is not the one it should be', async () => {
    const wrong = connection(apiServer, 'worker-2').logs(context, plain);
    await expect(wrong).rejects.toMatchObject({ code: 502, message: expect.stringContaining('worker-2') });
  });
});

describe('a kubelet whose certificate is not signed yet', () => {
  const subject = { commonName: 'system:node:worker-1', organizations: [], dnsNames: ['worker-1'], ips: [] };
  let clock: SteppedClock;
  beforeEach(async () => {
    clock = new SteppedClock(new RealClock().now());
    listener.setServing(await createSelfSigned(subject, clock.now()));
    dials = 0;
    backend.logs = async function* () {
      yield bytes('one\n');
    };
  });
  afterEach(() => listener.setServing(serving));

  /** Real connections take real time: each is awaited before the clock goes on. */
  async function stepUntil(over: () => boolean): Promise<void> {
    while (!over()) {
      await expect.poll(() => over() || clock.pendingTimers > 0, { interval: 5 }).toBe(true);
      if (!over()) await clock.step(100);
    }
  }

  it('is asked again until it shows the one that is', async () => {
    const text = connection(apiServer, 'worker-1', clock).logs(context, plain).then(textOf);
    await stepUntil(() => dials >= 4);
    listener.setServing(serving);
    let read: string | undefined;
    void text.then((all) => (read = all));
    await stepUntil(() => read !== undefined);
    expect(read).toBe('one\n');
  });

  it('is given up on after ten seconds, without a byte of the request', async () => {
    const before = backend.asked.length;
    let refused: unknown;
    const asking = connection(apiServer, 'worker-1', clock).logs(context, plain);
    asking.catch((error: unknown) => (refused = error));
    await stepUntil(() => refused !== undefined);
    expect(refused).toMatchObject({ code: 502, message: expect.stringMatching(/self.signed/) as string });
    expect([backend.asked.length - before, dials]).toEqual([0, 101]);
  });

  it('does not keep a caller who went away', async () => {
    const { context: own, cancel } = context.withCancel();
    const asking = connection(apiServer, 'worker-1', clock).logs(own, plain);
    await expect.poll(() => clock.pendingTimers, { interval: 5 }).toBeGreaterThan(0);
    cancel();
    await expect(asking).rejects.toMatchObject({ name: 'CancelledError' });
  });
});

describe('logs', () => {
  it('follows, and lets a slow reader hold the writer', async () => {
    let written = 0;
    backend.logs = async function* () {
      for (let line = 0; line < 4_000; line++) {
        written++;
        yield Buffer.alloc(64 * 1024, 120);
      }
    };
    const chunks = await connection(apiServer).logs(context, { ...plain, follow: true, tailLines: 7 });
    expect(backend.asked.at(-1)).toMatchObject({ ...target, follow: true, timestamps: false, tailLines: 7 });
    const reader = chunks[Symbol.asyncIterator]();
    await reader.next();
    let [before, after] = [-1, written];
    await expect
      .poll(
        () => {
          [before, after] = [after, written];
          return before === after;
        },
        { interval: 100 },
      )
      .toBe(true);
    expect(written).toBeLessThan(2_000);
    await reader.return?.();
  });

  it('says why there is none', async () => {
    backend.logs = () => {
      throw new StatusError('BadRequest', 'container "main" in pod "web" is waiting to start: ContainerCreating');
    };
    await expect(connection(apiServer).logs(context, plain)).rejects.toMatchObject({
      reason: 'BadRequest',
      message: 'container "main" in pod "web" is waiting to start: ContainerCreating',
    });
  });

  it('ends with its context', async () => {
    backend.logs = () => new AsyncQueue();
    const { context: own, cancel } = context.withCancel();
    const chunks = await connection(apiServer).logs(own, { ...plain, follow: true });
    const reading = textOf(chunks);
    cancel();
    await expect(reading).rejects.toMatchObject({ name: 'CancelledError' });
  });
});

describe('exec and attach', () => {
  it('carries input, its end, size, both outputs and the exit code', async () => {
    const served = fakeSession();
    backend.exec = () => served;
    const session = await connection(apiServer).exec(context, 'default', 'web', 'main', streams);
    expect(backend.asked.at(-1)).toEqual(streams);
    session.resize(80, 24);
    await session.stdin?.write(bytes('ls\n'));
    session.stdin?.end();
    served.stdout.push(bytes('file\n'));
    served.stderr.push(bytes('oops\n'));
    await expect.poll(() => served.heard).toEqual(['80x24', 'in ls\n', 'end']);
    served.finish(42);
    expect(await Promise.all([textOf(session.stdout), textOf(session.stderr)])).toEqual(['file\n', 'oops\n']);
    expect(await session.exit).toEqual({ exitCode: 42 });
  });

  it('gives what cannot run as the Status it is', async () => {
    backend.exec = () => {
      throw new StatusError('InternalError', 'unable to upgrade connection: container not found ("main")');
    };
    await expect(connection(apiServer).attach(context, 'default', 'web', 'main', streams)).rejects.toMatchObject({
      reason: 'InternalError',
      message: 'unable to upgrade connection: container not found ("main")',
    });
    const failed = new StatusError('InternalError', 'no such file');
    backend.exec = () => {
      const exit = Promise.reject(failed);
      exit.catch(() => undefined);
      return { ...fakeSession(), stdout: ended(), stderr: ended(), exit };
    };
    const session = await connection(apiServer).exec(context, 'default', 'web', 'main', streams);
    await expect(session.exit).rejects.toMatchObject({ reason: 'InternalError', message: 'no such file' });
  });

  it('ends the command when the client goes away', async () => {
    const served = fakeSession();
    backend.exec = () => served;
    const session = await connection(apiServer).attach(context, 'default', 'web', 'main', streams);
    session.close();
    await expect.poll(() => served.heard).toContain('close');
  });
});

function ended(): AsyncQueue<Uint8Array> {
  const queue = new AsyncQueue<Uint8Array>();
  queue.end();
  return queue;
}

describe('port-forward', () => {
  it('half-closes each direction on its own', async () => {
    const incoming = new AsyncQueue<Uint8Array>();
    const heard: string[] = [];
    backend.dial = () => ({
      incoming,
      write: async (chunk) => void heard.push(Buffer.from(chunk).toString()),
      end: () => void heard.push('end'),
      destroy: () => void heard.push('destroy'),
    });
    const stream = await connection(apiServer).portForward(context, 'default', 'web', 80);
    await stream.write(bytes('GET /'));
    stream.end();
    await expect.poll(() => heard).toEqual(['GET /', 'end']);
    incoming.push(bytes('200 OK'));
    incoming.end();
    expect(await textOf(stream.incoming)).toBe('200 OK');
    await expect.poll(() => heard).toContain('destroy');
  });

  it('says that there is no such pod', async () => {
    backend.dial = () => {
      throw new StatusError('NotFound', 'pod "ghost" not found');
    };
    const refused = connection(apiServer).portForward(context, 'default', 'ghost', 80);
    await expect(refused).rejects.toMatchObject({ reason: 'NotFound', message: 'pod "ghost" not found' });
  });
});
