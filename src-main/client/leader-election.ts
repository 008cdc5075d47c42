import type { Lease, LeaseSpec } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import { formatMicroTime, type Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { EventRecorder, KubeClient } from './client.ts';
import { leases } from './resources.ts';

export interface LeaderElectionOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told `<identity> became leader`, when given. */
  readonly recorder?: EventRecorder;
  /** The Lease, for example `kube-system` and `kube-scheduler`. */
  readonly namespace: string;
  readonly name: string;
  /** Unique to this process: `master-1_<uuid>`. */
  readonly identity: string;
  /** Others wait so long after the last renewal they saw. Default 15 s. */
  readonly leaseDurationMs?: number;
  /** The leader gives up after so long without a renewal. Default 10 s. */
  readonly renewDeadlineMs?: number;
  /** Between tries. Default 2 s. */
  readonly retryPeriodMs?: number;
}

/** client-go `leaderelection`, release 1.36: the candidates' waits differ by up to this share. */
const jitter = 1.2;

/**
 * One candidate for a Lease (client-go `leaderelection`, release 1.36). Clocks are never compared between candidates: a
 * candidate counts from when it itself saw the Lease change.
 */
export class LeaderElector {
  readonly #options: LeaderElectionOptions;
  readonly #leaseDurationMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryPeriodMs: number;
  #seen: { readonly lease: Lease; readonly atMs: number } | undefined;
  #isLeader = false;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#leaseDurationMs = options.leaseDurationMs ?? 15_000;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
    this.#retryPeriodMs = options.retryPeriodMs ?? 2_000;
  }

  get isLeader(): boolean {
    return this.#isLeader;
  }

  /** The holder as last seen; undefined before the first look. */
  get leader(): string | undefined {
    return this.#seen?.lease.spec.holderIdentity;
  }

  /**
   * Waits until this candidate leads, then runs `lead` with a context that ends when leadership does. Resolves when
   * leadership is lost or `context` ended, after `lead` resolved. `lead` should run until its context ends.
   */
  async run(context: Context, lead: (context: Context) => Promise<void>): Promise<void> {
    if (!(await this.#acquire(context))) return;
    const { identity, logger, name } = this.#options;
    logger.info('became leader', { lease: name, identity });
    const leading = context.withCancel();
    const work = lead(leading.context).catch((error: unknown) => {
      if (!(error instanceof CancelledError)) logger.error('leader failed', { lease: name, error: messageOf(error) });
    });
    try {
      await this.#renewUntilLost(context);
    } finally {
      this.#isLeader = false;
      leading.cancel();
      await work;
      logger.info('stopped leading', { lease: name, identity });
    }
  }

  /** Gives the Lease back so that the next candidate need not wait for it to run out. Call after `run` resolved. */
  async release(context: Context): Promise<void> {
    const seen = this.#seen?.lease;
    if (!seen || seen.spec.holderIdentity !== this.#options.identity) return;
    const now = formatMicroTime(this.#options.clock.now());
    const { leaseTransitions = 0 } = seen.spec;
    const spec = { holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now, leaseTransitions };
    try {
      this.#see(await this.#leases().update(context, { ...seen, spec }));
    } catch (error) {
      this.#options.logger.debug('could not release the lease', { lease: this.#options.name, error: messageOf(error) });
    }
  }

  async #acquire(context: Context): Promise<boolean> {
    const { clock, random } = this.#options;
    while (!context.ended) {
      if (await this.#tryAcquireOrRenew(context)) {
        this.#isLeader = true;
        return true;
      }
      if (!(await sleep(clock, context, this.#retryPeriodMs * (1 + jitter * random.next())))) return false;
    }
    return false;
  }

  async #renewUntilLost(context: Context): Promise<void> {
    const { clock, logger, name } = this.#options;
    let renewedMs = clock.now();
    while (await sleep(clock, context, this.#retryPeriodMs)) {
      const deadline = context.withTimeout(clock, Math.max(1, renewedMs + this.#renewDeadlineMs - clock.now()));
      const renewed = await this.#tryAcquireOrRenew(deadline.context);
      deadline.cancel();
      if (renewed) renewedMs = clock.now();
      else if (clock.now() - renewedMs >= this.#renewDeadlineMs) {
        logger.warn('failed to renew the lease in time', { lease: name });
        return;
      }
    }
  }

  async #tryAcquireOrRenew(context: Context): Promise<boolean> {
    try {
      return await this.#attempt(context);
    } catch (error) {
      if (!context.ended) {
        this.#options.logger.debug('lease attempt failed', { lease: this.#options.name, error: messageOf(error) });
      }
      return false;
    }
  }

  async #attempt(context: Context): Promise<boolean> {
    const { clock, identity, name, namespace } = this.#options;
    const now = formatMicroTime(clock.now());
    const current = await this.#get(context);
    if (!current) {
      const spec = this.#spec(now, now, 0);
      const metadata = { name, namespace };
      const made = await this.#leases().create(context, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata,
        spec,
      });
      this.#see(made);
      this.#announce(made);
      return true;
    }
    this.#see(current);
    const { holderIdentity = '', acquireTime = now, leaseTransitions = 0 } = current.spec;
    const ours = holderIdentity === identity;
    if (!ours && holderIdentity !== '' && !this.#ranOut()) return false;
    const spec = ours ? this.#spec(acquireTime, now, leaseTransitions) : this.#spec(now, now, leaseTransitions + 1);
    const updated = await this.#leases().update(context, { ...current, spec });
    this.#see(updated);
    if (!ours) this.#announce(updated);
    return true;
  }

  async #get(context: Context): Promise<Lease | undefined> {
    try {
      return await this.#leases().get(context, this.#options.namespace, this.#options.name);
    } catch (error) {
      if (isStatus(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #spec(acquireTime: string, renewTime: string, leaseTransitions: number): LeaseSpec {
    const leaseDurationSeconds = Math.round(this.#leaseDurationMs / 1000);
    return { holderIdentity: this.#options.identity, leaseDurationSeconds, acquireTime, renewTime, leaseTransitions };
  }

  #see(lease: Lease): void {
    const same = this.#seen?.lease.metadata.resourceVersion === lease.metadata.resourceVersion;
    if (!same) this.#seen = { lease, atMs: this.#options.clock.now() };
  }

  #ranOut(): boolean {
    return this.#seen !== undefined && this.#options.clock.now() >= this.#seen.atMs + this.#leaseDurationMs;
  }

  #announce(lease: Lease): void {
    const { identity, recorder } = this.#options;
    recorder?.event(lease, 'Normal', 'LeaderElection', `${identity} became leader`);
  }

  #leases() {
    return this.#options.client.resource<Lease>(leases);
  }
}

/** False when `context` ended first. */
async function sleep(clock: Clock, context: Context, delayMs: number): Promise<boolean> {
  try {
    await clock.sleep(context, delayMs);
    return true;
  } catch (error) {
    if (error instanceof CancelledError) return false;
    throw error;
  }
}
