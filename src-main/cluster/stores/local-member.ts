import { join } from 'node:path';
import type { Clock } from '#base/clock';
import type { ComponentState } from '#base/component';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { ClusterError } from '../errors.ts';
import type { ClusterPki, PeerPki } from '../pki.ts';
import { endOrphan, MemberProcess } from './member-process.ts';
import type { StoreMember } from './lab-store.ts';
import type { MemberPorts } from './store-config.ts';

export interface LocalMemberOptions {
  readonly name: string;
  readonly ports: MemberPorts;
  /** `etcd-1=https://127.0.0.1:2380,…`: all members, by their peer addresses. */
  readonly cluster: string;
  readonly token: string;
  readonly folder: string;
  readonly pki: ClusterPki;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A sentence about it, from those who look at all members. */
  readonly noteOf: (endpoint: string) => string | undefined;
  /** Resolves when it takes part. */
  readonly untilServing: (context: Context, member: LocalMember) => Promise<void>;
}

/** What {@link LocalMember.launch} needs besides. */
export interface MemberLaunch {
  readonly program: string;
  readonly peer: PeerPki;
}

/** One etcd of a lab's own, a process that can be killed and started like a machine. */
export class LocalMember implements StoreMember {
  readonly name: string;
  readonly endpoint: string;
  readonly #options: LocalMemberOptions;
  #launch: MemberLaunch | undefined;
  #process: MemberProcess | undefined;
  #state: ComponentState = 'stopped';
  #why: string | undefined;

  constructor(options: LocalMemberOptions) {
    this.#options = options;
    this.name = options.name;
    this.endpoint = addressOf(options.ports.client);
  }

  get state(): ComponentState {
    return this.#state;
  }
  get note(): string | undefined {
    return this.#state === 'running' ? this.#options.noteOf(this.endpoint) : this.#why;
  }
  get isAlive(): boolean {
    return this.#process?.isRunning === true;
  }

  /** Before the first launch: what a killed host has left running is ended. */
  async prepare(launch: MemberLaunch): Promise<void> {
    const { folder, clock, logger } = this.#options;
    this.#launch = launch;
    await endOrphan(folder, clock, logger);
  }

  /** Begins the process. Throws ClusterError when it cannot be. Idempotent. */
  launch(): void {
    if (this.isAlive) return;
    const { name, folder, clock, logger } = this.#options;
    if (!this.#launch) throw new ClusterError('LAB_STOPPED', `etcd member ${name} has not been started with its lab`);
    this.#state = 'starting';
    this.#why = undefined;
    try {
      const member = new MemberProcess({
        ...{ name, folder, clock, logger, program: this.#launch.program, args: this.#flags(this.#launch.peer) },
        onExit: (why) => this.#exited(member, why),
      });
      this.#process = member;
    } catch (error) {
      this.#state = 'stopped';
      throw new ClusterError('INVALID', `etcd member ${name} cannot be started: ${messageOf(error)}`, { cause: error });
    }
  }

  /** It answers, or is as far as it comes without the others. */
  serves(): void {
    if (this.#state === 'starting') this.#state = 'running';
  }

  async start(context: Context): Promise<void> {
    if (this.#state === 'running') return;
    this.launch();
    await this.#options.untilServing(context, this);
    this.requireAlive();
    this.serves();
  }

  /** Throws ClusterError with the last thing it said when it has ended. */
  requireAlive(): void {
    if (this.isAlive) return;
    const words = this.#process?.lastWords() ?? '';
    throw new ClusterError('INVALID', `etcd member ${this.name} does not run: ${words || (this.#why ?? 'it ended')}`);
  }

  async stop(): Promise<void> {
    if (this.isAlive) this.#state = 'stopping';
    await this.#process?.stop();
    this.#state = 'stopped';
    this.#why = undefined;
  }

  crash(): void {
    this.#state = 'crashed';
    this.#process?.kill();
  }

  #exited(member: MemberProcess, why: string): void {
    if (this.#process !== member || this.#state === 'stopping') return;
    this.#why = this.#state === 'crashed' ? undefined : why;
    this.#state = 'crashed';
    this.#options.logger.warn('an etcd member ended', { member: this.name, why });
  }

  /** etcd 3.4's names, which later versions know as well. */
  #flags(peer: PeerPki): string[] {
    const { name, ports, cluster, token, folder, pki } = this.#options;
    const own = (file: string): string => join(pki.folder, file);
    const peerUrl = addressOf(ports.peer);
    const flags = {
      name,
      'data-dir': join(folder, 'data'),
      'listen-client-urls': this.endpoint,
      'advertise-client-urls': this.endpoint,
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      'initial-cluster': cluster,
      'initial-cluster-token': token,
      'initial-cluster-state': 'new',
      'cert-file': own('etcd-server.crt'),
      'key-file': own('etcd-server.key'),
      'trusted-ca-file': own('etcd-ca.crt'),
      'client-cert-auth': 'true',
      'peer-cert-file': peer.certFile,
      'peer-key-file': peer.keyFile,
      'peer-trusted-ca-file': peer.caFile,
      'peer-client-cert-auth': 'true',
      'quota-backend-bytes': String(8 * 1024 ** 3),
      // etcd 3.4 keeps 100,000 requests in memory for members that fell behind; small machines hold three of them here.
      'snapshot-count': '10000',
      logger: 'zap',
      'log-level': 'warn',
    };
    return Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  }
}

export function addressOf(port: number): string {
  return `https://127.0.0.1:${port}`;
}
