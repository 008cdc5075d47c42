import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RealClock, type Clock } from '#base/clock';
import type { ComponentState } from '#base/component';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { freshSeed, SeededRandom, type Random } from '#base/random';
import { EtcdError, type EtcdClient } from '#etcd/client';
import type { EtcdMaintenance } from '#etcd/maintenance';
import { RemoteEtcd } from '#etcd/remote/remote-etcd';
import { ClusterError } from '../errors.ts';
import { readTextFile } from '../files.ts';
import type { LabConfig } from '../lab-config.ts';
import type { EtcdAccess } from '../lab-view.ts';
import { checkTls, type EndpointTls } from './endpoint-checks.ts';
import { claimKeyspace, labIdentity, releaseKeyspace, type LabIdentity } from './lab-marker.ts';
import type { LabStore, StoreMember } from './lab-store.ts';
import { MemberMonitor } from './member-monitor.ts';
import type { ExternalEndpoints } from './store-config.ts';
import { keepCompacted } from './store-compactor.ts';

export interface ExternalStoreOptions {
  readonly lab: LabIdentity;
  readonly access: ExternalEndpoints;
  /** Real time: other programs are waited for. */
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The oldest etcd that does all that is needed of it. */
const leastVersion = [3, 4] as const;

/** An etcd that is somebody's. Its members are looked at, never touched. The person's files are read once, when the store is made. */
export class ExternalStore implements LabStore {
  readonly kind = 'external';
  readonly client: EtcdClient;
  readonly maintenance: EtcdMaintenance;
  readonly members: readonly StoreMember[];
  readonly #options: ExternalStoreOptions;
  readonly #etcd: RemoteEtcd;
  readonly #tls: EndpointTls;
  readonly #monitor: MemberMonitor;
  readonly #life = Context.background().withCancel();

  /** Throws ClusterError INVALID for a file that cannot be read. */
  constructor(options: ExternalStoreOptions) {
    const { access, clock, random, logger } = options;
    this.#options = options;
    this.#tls = readTls(access);
    const { ca, cert, key } = this.#tls;
    const client = cert !== undefined && key !== undefined ? { cert, key } : {};
    const secure = access.endpoints.some((one) => one.startsWith('https:'));
    this.#etcd = new RemoteEtcd({
      ...{ endpoints: access.endpoints, clock, random, logger: logger.named('etcd') },
      ...(secure ? { tls: { ...(ca === undefined ? {} : { ca }), ...client } } : {}),
    });
    this.client = this.#etcd;
    this.maintenance = this.#etcd;
    this.#monitor = new MemberMonitor(this.#etcd, clock);
    this.members = access.endpoints.map((endpoint) => new ExternalMember(endpoint, this.#monitor));
  }

  get access(): EtcdAccess {
    const { endpoints, ca, cert, key } = this.#options.access;
    return {
      endpoint: endpoints[0] ?? '',
      endpoints,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    };
  }

  /** Throws ClusterError with one line that says what is wrong with which endpoint, or whose etcd it is. */
  async start(context: Context): Promise<void> {
    const { lab, access, clock, logger } = this.#options;
    await this.#check(context);
    try {
      await claimKeyspace(context, this.client, lab, access.endpoints.join(','));
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      const text = `the etcd at ${access.endpoints.join(',')} takes no writes: ${messageOf(error)}`;
      throw new ClusterError('INVALID', text, { cause: error });
    }
    await this.#monitor.look(context);
    this.#monitor.start();
    void keepCompacted(this.#life.context, this.client, { clock, logger: logger.named('etcd') });
  }

  async stop(): Promise<void> {
    this.crash();
  }

  /** The store lives on; only the way to it ends. */
  crash(): void {
    this.#life.cancel();
    this.#monitor.stop();
    this.#etcd.close();
  }

  /** One endpoint that answers is enough; one that is set up wrongly is one too many. */
  async #check(context: Context): Promise<void> {
    const { endpoints } = this.#options.access;
    const results = await Promise.all(endpoints.map((endpoint) => this.#checkOne(context, endpoint)));
    const clusters = new Set(results.flatMap((one) => ('clusterId' in one ? [one.clusterId] : [])));
    const silent = results.flatMap((one) => ('silent' in one ? [one.silent] : []));
    if (clusters.size > 1)
      throw new ClusterError('INVALID', `${endpoints.join(',')} are members of different etcd clusters; name one's`);
    if (clusters.size === 0)
      throw new ClusterError('INVALID', `no etcd answers: ${silent.join('; ')}; is it running, and the address right?`);
    for (const why of silent) this.#options.logger.warn('an etcd endpoint does not answer', { why });
  }

  async #checkOne(
    context: Context,
    endpoint: string,
  ): Promise<{ readonly clusterId: string } | { readonly silent: string }> {
    const { access } = this.#options;
    if (endpoint.startsWith('https:')) {
      const why = await checkTls(endpoint, access, this.#tls);
      if (why !== undefined) return { silent: `${endpoint}: ${why}` };
    }
    try {
      const { clusterId, version } = await this.#etcd.identify(context, endpoint);
      if (isTooOld(version))
        throw new ClusterError(
          'UNSUPPORTED',
          `${endpoint} is etcd ${version}; version ${leastVersion.join('.')} or later is needed`,
        );
      return { clusterId };
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (error.code === 'UNAVAILABLE' && /does not answer/.test(error.message)) return { silent: error.message };
      throw new ClusterError('INVALID', `${endpoint} does not answer as an etcd does: ${error.message}`, {
        cause: error,
      });
    }
  }
}

/** Takes a deleted lab's objects out of the etcd they were in. Throws ClusterError when it cannot be reached. */
export async function removeExternalObjects(
  context: Context,
  options: {
    readonly config: LabConfig;
    readonly access: ExternalEndpoints;
    /** The lab's. */
    readonly folder: string;
    readonly logger: Logger;
  },
): Promise<void> {
  const { config, access, folder, logger } = options;
  const ca = readTextFile(join(folder, 'pki/ca.crt'));
  // It never came as far as to have objects.
  if (ca === undefined) return;
  const lab = labIdentity(config.name, ca);
  const random = new SeededRandom(freshSeed());
  const store = new ExternalStore({ lab, access, clock: new RealClock(), random, logger });
  try {
    await releaseKeyspace(context, store.client, lab);
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    const text = `the lab's objects in the etcd at ${access.endpoints.join(',')} cannot be removed: ${messageOf(error)}`;
    throw new ClusterError('INVALID', text, { cause: error });
  } finally {
    store.crash();
  }
}

/** What is known of one endpoint. It can be neither stopped nor started. */
class ExternalMember implements StoreMember {
  readonly endpoint: string;
  readonly #monitor: MemberMonitor;

  constructor(endpoint: string, monitor: MemberMonitor) {
    this.endpoint = endpoint;
    this.#monitor = monitor;
  }

  get name(): string {
    return this.#monitor.memberAt(this.endpoint)?.name ?? new URL(this.endpoint).host;
  }
  get state(): ComponentState {
    return this.#monitor.answersAt(this.endpoint) ? 'running' : 'crashed';
  }
  get note(): string | undefined {
    return this.#monitor.noteOf(this.endpoint);
  }

  async start(): Promise<void> {
    throw this.#refusal();
  }
  async stop(): Promise<void> {
    throw this.#refusal();
  }
  crash(): void {
    throw this.#refusal();
  }

  #refusal(): ClusterError {
    return new ClusterError('UNSUPPORTED', `${this.name} is not the lab's own: stop and start it where it runs`);
  }
}

function readTls({ ca, cert, key }: ExternalEndpoints): EndpointTls {
  return {
    ...(ca === undefined ? {} : { ca: read('ca', ca) }),
    ...(cert === undefined ? {} : { cert: read('cert', cert) }),
    ...(key === undefined ? {} : { key: read('key', key) }),
  };
}

function read(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ClusterError('INVALID', `cannot read --etcd-${flag} ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < leastVersion[0] || (major === leastVersion[0] && minor < leastVersion[1]);
}
