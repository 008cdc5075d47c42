import { Backoff } from '#base/backoff';
import { LifeClock, type Clock } from '#base/clock';
import { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { ProxyBackend } from '../kube-proxy.ts';
import type { ServiceRule } from '../service-rules.ts';
import type { RunCommand } from './command.ts';
import { RulesetCompiler } from './compiler.ts';
import { Nft } from './nft.ts';
import type { NodeNetwork, Ruleset } from './ruleset.ts';
import {
  deleteChains,
  difference,
  fullSync,
  replaceTable,
  staleChainDelayMs,
  type Transaction,
} from './transaction.ts';
import { UdpConntrack } from './udp-conntrack.ts';

/** One transaction the kernel took, or did not. */
export interface SyncReport {
  readonly kind: 'full' | 'partial';
  readonly succeeded: boolean;
  /** From the decision to write to the kernel's answer. */
  readonly durationMs: number;
  /** Bytes handed to nft. */
  readonly bytes: number;
}

export interface NftablesBackendOptions {
  readonly run: RunCommand;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Asked before each full sync. */
  readonly network: () => NodeNetwork;
  /** Rules came that are not written yet. */
  readonly onQueued?: () => void;
  readonly onSync?: (report: SyncReport) => void;
}

/** How often the kernel is asked whether it still has what was written, as upstream's `syncPeriod`. */
const verifyPeriodMs = 30_000;
/** Everything is written again this often, whatever the kernel says (upstream's full sync period). */
const fullSyncPeriodMs = 3_600_000;

/**
 * Service rules in nftables. The first write and the one after an error are whole; others contain only what changed. One write at
 * a time: rules that come meanwhile are written together after it. When this object ends its rules stay, so that traffic
 * flows while no kube-proxy runs.
 */
export class NftablesBackend implements ProxyBackend {
  readonly #options: NftablesBackendOptions;
  readonly #nft: Nft;
  readonly #conntrack: UdpConntrack;
  readonly #backoff: Backoff;
  readonly #life = Context.background().withCancel();
  /** Its timers end with this object. */
  readonly #clock: Clock;
  #retry: Disposable | undefined;
  #compiler: RulesetCompiler | undefined;
  #wanted: readonly ServiceRule[] | undefined;
  #written: { readonly rules: readonly ServiceRule[]; readonly ruleset: Ruleset; readonly whole: boolean } | undefined;
  #lastFullMs = 0;
  #failures = 0;
  readonly #stale = new Set<string>();
  #busy: Promise<void> | undefined;

  constructor(options: NftablesBackendOptions) {
    this.#options = options;
    this.#clock = new LifeClock(options.clock, this.#life.context);
    this.#nft = new Nft(options.run);
    this.#conntrack = new UdpConntrack(options.run, options.logger);
    this.#backoff = new Backoff({ initialMs: 1_000, factor: 2, maxMs: 30_000, jitter: 0.1 }, options.random);
    this.#every(verifyPeriodMs, () => this.#verify());
  }

  replace(rules: readonly ServiceRule[]): void {
    this.#wanted = rules;
    this.#options.onQueued?.();
    this.#kick();
  }

  /** What `network` answers has changed: everything is written again. */
  resync(): void {
    this.#written = this.#written && { ...this.#written, whole: false };
    this.#kick();
  }

  /** Resolves when nothing is being written: what was asked for is in the kernel, or the next try waits for its time. */
  async settled(): Promise<void> {
    while (this.#busy) await this.#busy;
  }

  /** Waits for a write that has begun. */
  async stop(): Promise<void> {
    this.#life.cancel();
    await this.settled();
  }

  #kick(): void {
    if (this.#busy || this.#life.context.ended || this.#retry) return;
    this.#busy = this.#work().finally(() => {
      this.#busy = undefined;
    });
  }

  /** Writes until nothing is left to write. */
  async #work(): Promise<void> {
    while (
      !this.#life.context.ended &&
      this.#wanted &&
      (this.#wanted !== this.#written?.rules || !this.#written.whole)
    ) {
      if (!(await this.#sync(this.#wanted))) return;
    }
  }

  async #sync(rules: readonly ServiceRule[]): Promise<boolean> {
    const { logger, onSync } = this.#options;
    const clock = this.#clock;
    const startedMs = clock.now();
    const written = this.#written?.whole ? this.#written : undefined;
    const kind = written ? 'partial' : 'full';
    let bytes = 0;
    try {
      if (!written) this.#compiler = undefined;
      this.#compiler ??= new RulesetCompiler(this.#options.network());
      const ruleset = this.#compiler.compile(rules);
      const { text, stale } = written ? difference(written.ruleset, ruleset) : await this.#full(ruleset);
      bytes = text.length;
      if (text) await this.#nft.apply(text);
      this.#expire(stale, ruleset);
      const before = this.#written?.rules ?? [];
      this.#written = { rules, ruleset, whole: true };
      this.#failures = 0;
      this.#backoff.reset();
      if (!written) this.#lastFullMs = startedMs;
      onSync?.({ kind, succeeded: true, durationMs: clock.now() - startedMs, bytes });
      await this.#conntrack.clean(before, rules);
      return true;
    } catch (error) {
      this.#failures++;
      this.#resyncLater();
      onSync?.({ kind, succeeded: false, durationMs: clock.now() - startedMs, bytes });
      logger.warn('rules were not written, everything will be written again', { error: messageOf(error) });
      return false;
    }
  }

  /** A second failure in a row means that the table itself is in the way. */
  async #full(ruleset: Ruleset): Promise<Transaction> {
    return this.#failures >= 2 ? replaceTable(ruleset) : fullSync(ruleset, await this.#nft.kernelTable());
  }

  #resyncLater(): void {
    this.#written = this.#written && { ...this.#written, whole: false };
    this.#retry = this.#clock.setTimer(this.#backoff.next(), () => {
      this.#retry = undefined;
      this.#kick();
    });
  }

  /** Emptied chains are deleted a moment later, those that are not in use again by then. */
  #expire(chains: readonly string[], ruleset: Ruleset): void {
    for (const chain of this.#stale) if (ruleset.chains.has(chain)) this.#stale.delete(chain);
    if (chains.length === 0) return;
    for (const chain of chains) this.#stale.add(chain);
    this.#clock.setTimer(staleChainDelayMs, () => void this.#deleteStale(chains));
  }

  async #deleteStale(chains: readonly string[]): Promise<void> {
    await this.settled();
    const due = chains.filter((chain) => this.#stale.delete(chain));
    if (due.length === 0 || this.#life.context.ended) return;
    this.#busy = this.#nft
      .apply(deleteChains(due))
      .catch((error: unknown) => {
        this.#options.logger.warn('empty chains stay until the next full sync', { error: messageOf(error) });
      })
      .finally(() => {
        this.#busy = undefined;
        this.#kick();
      });
    await this.#busy;
  }

  /** Somebody may have flushed the rule set under us. */
  async #verify(): Promise<void> {
    const { logger } = this.#options;
    if (this.#busy || this.#life.context.ended || !this.#written?.whole) return;
    if (this.#clock.now() - this.#lastFullMs >= fullSyncPeriodMs) {
      this.resync();
      return;
    }
    const { ruleset } = this.#written;
    const [kernel, targets] = await Promise.all([this.#nft.kernelTable(), this.#nft.count('map', 'service-ips')]);
    if (this.#busy || this.#written?.ruleset !== ruleset) return;
    const chainsThere = [...ruleset.chains.keys()].every((chain) => kernel.chains.has(chain));
    if (chainsThere && targets === ruleset.elements['service-ips'].size) return;
    logger.warn('the kernel lost rules of kube-proxy, everything is written again');
    this.resync();
  }

  #every(periodMs: number, action: () => Promise<void>): void {
    this.#clock.setTimer(periodMs, () => {
      action()
        .catch((error: unknown) => this.#options.logger.warn('cannot look at rules', { error: messageOf(error) }))
        .finally(() => this.#every(periodMs, action));
    });
  }
}
