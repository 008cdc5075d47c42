import { join } from 'node:path';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import { EtcdError, type EtcdClient } from '#etcd/client';
import type { EtcdMaintenance } from '#etcd/maintenance';
import { RemoteEtcd } from '#etcd/remote/remote-etcd';
import { ClusterError } from '../errors.ts';
import type { EtcdAccess } from '../lab-view.ts';
import { loadOrCreatePeerPki, type ClusterPki } from '../pki.ts';
import { etcdMissing, findEtcd } from './etcd-program.ts';
import type { LabStore } from './lab-store.ts';
import { addressOf, LocalMember } from './local-member.ts';
import { MemberMonitor } from './member-monitor.ts';
import type { MemberPorts } from './store-config.ts';
import { keepCompacted } from './store-compactor.ts';

export interface LocalStoreOptions {
  readonly lab: string;
  /** The lab's. */
  readonly folder: string;
  /** Of each member. */
  readonly ports: readonly MemberPorts[];
  readonly pki: ClusterPki;
  /** Real time: other programs are waited for. */
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const startTimeoutMs = 30_000;
const memberTimeoutMs = 10_000;
const lookEveryMs = 100;

/** A real etcd of the lab's own: its members are child processes on 127.0.0.1, with TLS for clients and for each other. */
export class LocalStore implements LabStore {
  readonly kind = 'local';
  readonly client: EtcdClient;
  readonly maintenance: EtcdMaintenance;
  readonly members: readonly LocalMember[];
  readonly #options: LocalStoreOptions;
  readonly #etcd: RemoteEtcd;
  readonly #monitor: MemberMonitor;
  readonly #life = Context.background().withCancel();

  constructor(options: LocalStoreOptions) {
    const { lab, folder, ports, pki, clock, random, logger } = options;
    this.#options = options;
    const cluster = ports.map(({ peer }, i) => `${memberName(i)}=${addressOf(peer)}`).join(',');
    this.members = ports.map(
      (own, i) =>
        new LocalMember({
          ...{ name: memberName(i), ports: own, cluster, token: `drydock-${lab}`, pki, clock },
          folder: join(folder, 'members', memberName(i)),
          logger: logger.named('etcd'),
          noteOf: (endpoint) => this.#monitor.noteOf(endpoint),
          untilServing: (context, member) => this.#untilServing(context, member),
        }),
    );
    this.#etcd = new RemoteEtcd({
      ...{ endpoints: this.members.map((one) => one.endpoint), clock, random, logger: logger.named('etcd') },
      tls: { ca: pki.etcdCa.certificate, cert: pki.etcdClient.certificate, key: pki.etcdClient.key },
    });
    this.client = this.#etcd;
    this.maintenance = this.#etcd;
    this.#monitor = new MemberMonitor(this.#etcd, clock);
  }

  get access(): EtcdAccess {
    const endpoints = this.members.map((one) => one.endpoint);
    const file = (name: string): string => join(this.#options.pki.folder, name);
    return {
      endpoint: endpoints[0] ?? '',
      endpoints,
      ca: file('etcd-ca.crt'),
      cert: file('etcd-client.crt'),
      key: file('etcd-client.key'),
    };
  }

  /** Throws ClusterError: etcd is not installed, a member ended (with what it said), or they found no leader in time. */
  async start(context: Context): Promise<void> {
    const { pki, clock, logger } = this.#options;
    const program = findEtcd();
    if (program === undefined) throw new ClusterError('UNSUPPORTED', etcdMissing);
    const peer = await loadOrCreatePeerPki(pki.folder, clock.now());
    for (const member of this.members) await member.prepare({ program, peer });
    for (const member of this.members) member.launch();
    await this.#untilWritable(context);
    for (const member of this.members) member.serves();
    this.#monitor.start();
    void keepCompacted(this.#life.context, this.client, { clock, logger: logger.named('etcd') });
  }

  async stop(): Promise<void> {
    this.#end();
    await Promise.all(this.members.map((member) => member.stop()));
  }

  crash(): void {
    this.#end();
    for (const member of this.members) member.crash();
  }

  #end(): void {
    this.#life.cancel();
    this.#monitor.stop();
    this.#etcd.close();
  }

  async #untilWritable(context: Context): Promise<void> {
    const { clock } = this.#options;
    const untilMs = clock.now() + startTimeoutMs;
    for (;;) {
      for (const member of this.members) member.requireAlive();
      try {
        // Only a majority answers a read that is to be the latest.
        await this.client.range(context, { key: '\0', keysOnly: true });
        return;
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        if (clock.now() < untilMs) continue;
        const text = `the etcd members did not find a leader within ${startTimeoutMs / 1000} s: ${messageOf(error)}`;
        throw new ClusterError('TIMEOUT', text, { cause: error });
      } finally {
        await clock.sleep(context, lookEveryMs);
      }
    }
  }

  /** Until it has found the others, or for as long as that may take: without a majority it never does. */
  async #untilServing(context: Context, member: LocalMember): Promise<void> {
    const { clock } = this.#options;
    const untilMs = clock.now() + memberTimeoutMs;
    while (member.isAlive && clock.now() < untilMs) {
      await this.#monitor.look(context);
      const status = this.#monitor.memberAt(member.endpoint);
      if (status?.version !== undefined && status.error === undefined) return;
      await clock.sleep(context, lookEveryMs);
    }
  }
}

export function memberName(index: number): string {
  return `etcd-${index + 1}`;
}
