import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiServerDelegates } from '#apiserver/delegates';
import { ApiServer, type ApiServerOptions } from '#apiserver/api-server';
import type { UserInfo } from '#apiserver/request';
import { present } from '#base/errors';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { parseCidr } from '#base/ip';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { InProcessTransport } from '#cluster/in-process-transport';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';

/** Everybody may do everything; what others compute is not there. */
export const openDelegates: ApiServerDelegates = {
  authorizer: { authorize: () => ({ verdict: 'allow', reason: '' }) },
  admission: [],
  nonResource: () => undefined,
  reviews: { create: async (_context, _request, object) => object },
  tokens: { issue: async (_context, _account, request) => request },
  streams: {
    handle: async (_context, _request, info) => ({
      kind: 'text',
      status: 200,
      contentType: 'text/plain',
      text: info.subresource,
    }),
  },
};

export const admin: UserInfo = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };

/** An API server on a store of its own in a fresh directory, on a stepped clock. */
export class TestApiServer {
  readonly clock = new SteppedClock();
  readonly server: ApiServer;
  readonly etcd: EmbeddedEtcd;
  readonly #path: string;

  private constructor(etcd: EmbeddedEtcd, clock: SteppedClock, path: string, options: Partial<ApiServerOptions>) {
    this.etcd = etcd;
    this.clock = clock;
    this.#path = path;
    this.server = new ApiServer({
      name: 'kube-apiserver/test',
      etcd,
      clock,
      random: new SeededRandom(1),
      logger: silentLogger,
      serviceCidr: present(parseCidr('10.96.0.0/16'), 'a CIDR'),
      delegates: () => openDelegates,
      postStartHooks: [],
      ...options,
    });
  }

  static async start(options: Partial<ApiServerOptions> = {}): Promise<TestApiServer> {
    const path = mkdtempSync(join(tmpdir(), 'drydock-apiserver-'));
    const clock = new SteppedClock();
    const etcd = await EmbeddedEtcd.open({ path, clock, logger: silentLogger, retention: 'none' });
    const made = new TestApiServer(etcd, clock, path, options);
    await made.server.start(Context.background());
    return made;
  }

  transport(user: UserInfo = admin, userAgent = 'test/1'): InProcessTransport {
    return new InProcessTransport({ handler: this.server, user, userAgent });
  }

  async close(): Promise<void> {
    await this.server.stop();
    await this.etcd.close();
    rmSync(this.#path, { recursive: true, force: true });
  }
}
