import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { disposable, type Disposable } from '#base/disposable';
import type { Random } from '#base/random';

/** What is wrong with packets in one direction. */
export interface LinkRule {
  /** Node names; absent: any. */
  readonly from?: string;
  readonly to?: string;
  readonly drop?: boolean;
  readonly latencyMs?: number;
  /** 0 to 1. */
  readonly loss?: number;
  /** Kilobits (1000 bits) a second. */
  readonly rateKbit?: number;
}

/** All rules for one direction of one link, taken together. */
export interface LinkState {
  readonly drop: boolean;
  readonly latencyMs: number;
  readonly loss: number;
  readonly rateKbit: number;
}

const sound: LinkState = { drop: false, latencyMs: 0, loss: 0, rateKbit: Infinity };

/** TCP's first retransmission of data and of a SYN, in milliseconds; each further one waits twice as long (Linux). */
const retransmitMs = 200;
const connectRetryMs = 1_000;

/** What is broken on purpose between the nodes of a fabric. A node's traffic with itself is never touched. */
export class LinkFaults {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #rules = new Set<LinkRule>();
  readonly #deaf = new Set<{ readonly node: string }>();
  readonly #listeners = new Set<() => void>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  get clock(): Clock {
    return this.#clock;
  }

  add(rule: LinkRule): Disposable {
    this.#rules.add(rule);
    this.#changed();
    return disposable(() => {
      this.#rules.delete(rule);
      this.#changed();
    });
  }

  /** Drops what the pods of `node` send to port 53. */
  dropDns(node: string): Disposable {
    const rule = { node };
    this.#deaf.add(rule);
    return disposable(() => this.#deaf.delete(rule));
  }

  dnsDropped(node: string): boolean {
    return [...this.#deaf].some((rule) => rule.node === node);
  }

  between(from: string, to: string): LinkState {
    if (this.#rules.size === 0 || from === to) return sound;
    const met = [...this.#rules].filter(
      (rule) => (rule.from ?? from) === from && (rule.to === undefined || rule.to === to),
    );
    if (met.length === 0) return sound;
    const loss = 1 - met.reduce((passed, rule) => passed * (1 - (rule.loss ?? 0)), 1);
    return {
      drop: loss >= 1 || met.some((rule) => rule.drop),
      latencyMs: met.reduce((sum, rule) => sum + (rule.latencyMs ?? 0), 0),
      loss,
      rateKbit: Math.min(...met.map((rule) => rule.rateKbit ?? Infinity)),
    };
  }

  /** Whether nothing that needs an answer can pass. */
  isCut(from: string, to: string): boolean {
    return this.between(from, to).drop || this.between(to, from).drop;
  }

  /** Whether one packet is lost, by chance. */
  loses(from: string, to: string): boolean {
    const { drop, loss } = this.between(from, to);
    return drop || (loss > 0 && this.#random.next() < loss);
  }

  /** How long lost data of a stream takes longer, by chance. */
  retransmissionMs(loss: number): number {
    return this.#retries(loss, retransmitMs);
  }

  /** Waits as long as a handshake takes: until the link is whole, and there and back. Ends with `context`. */
  async handshake(context: Context, from: string, to: string): Promise<void> {
    await this.untilPassable(context, from, to);
    const [out, back] = [this.between(from, to), this.between(to, from)];
    const delayMs =
      out.latencyMs + back.latencyMs + this.#retries(1 - (1 - out.loss) * (1 - back.loss), connectRetryMs);
    if (delayMs > 0) await this.#clock.sleep(context, delayMs);
  }

  /** Resolves when packets pass both ways. Rejects with CancelledError when `context` ends first. */
  async untilPassable(context: Context, from: string, to: string): Promise<void> {
    while (this.isCut(from, to)) {
      const change = context.withCancel();
      const listening = this.onChange(() => change.cancel());
      await new Promise<void>((resolve) => change.context.onEnd(resolve));
      listening.dispose();
      context.check();
    }
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return disposable(() => this.#listeners.delete(listener));
  }

  #retries(loss: number, firstMs: number): number {
    let totalMs = 0;
    // More than ten in a row are given up by Linux too, much later.
    for (let waitMs = firstMs; loss > 0 && waitMs < firstMs * 1024 && this.#random.next() < loss; waitMs *= 2) {
      totalMs += waitMs;
    }
    return totalMs;
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
