import type { CoreV1Event } from '#api/gen/types';
import type { Clock } from '#base/clock';

/** client-go `record.NewEventCorrelator`, release 1.36: its defaults. */
const aggregateAfter = 10;
const aggregateWindowMs = 600_000;
const spamBurst = 25;
const spamRefillMs = 300_000;
const maxRemembered = 4096;

/** What was written last for one kind of event. */
export interface Observed {
  readonly name: string;
  readonly count: number;
  readonly firstTimestamp: string;
}

export interface Correlated {
  /** Under which `remember` is to be called with what was written. */
  readonly key: string;
  readonly message: string;
  /** Set when an Event like this is there already and has only to be counted up. */
  readonly observed: Observed | undefined;
}

/**
 * Decides what becomes of an event: dropped as spam, counted up on an Event that says the same, folded into "combined
 * from similar events", or written anew.
 */
export class EventCorrelator {
  readonly #clock: Clock;
  readonly #observed = new Map<string, Observed>();
  readonly #similar = new Map<string, { readonly messages: Set<string>; lastMs: number }>();
  readonly #spam = new Map<string, { tokens: number; lastMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined: drop the event, its object has had too many. */
  correlate(event: CoreV1Event): Correlated | undefined {
    if (!this.#takeToken(sourceKey(event))) return undefined;
    const message = event.message ?? '';
    const group = `${sourceKey(event)}\n${event.type}\n${event.reason}`;
    const aggregated = this.#isOneOfMany(group, message);
    const key = aggregated ? group : `${group}\n${message}`;
    return {
      key,
      message: aggregated ? `(combined from similar events): ${message}` : message,
      observed: this.#observed.get(key),
    };
  }

  remember(key: string, observed: Observed): void {
    this.#observed.delete(key);
    this.#observed.set(key, observed);
    forgetOldest(this.#observed);
  }

  forget(key: string): void {
    this.#observed.delete(key);
  }

  #isOneOfMany(group: string, message: string): boolean {
    const nowMs = this.#clock.now();
    let record = this.#similar.get(group);
    if (!record || nowMs - record.lastMs > aggregateWindowMs) record = { messages: new Set(), lastMs: nowMs };
    record.lastMs = nowMs;
    if (record.messages.size < aggregateAfter || record.messages.has(message)) record.messages.add(message);
    this.#similar.delete(group);
    this.#similar.set(group, record);
    forgetOldest(this.#similar);
    return record.messages.size >= aggregateAfter;
  }

  #takeToken(source: string): boolean {
    const nowMs = this.#clock.now();
    const bucket = this.#spam.get(source) ?? { tokens: spamBurst, lastMs: nowMs };
    bucket.tokens = Math.min(spamBurst, bucket.tokens + (nowMs - bucket.lastMs) / spamRefillMs);
    bucket.lastMs = nowMs;
    this.#spam.delete(source);
    this.#spam.set(source, bucket);
    forgetOldest(this.#spam);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}

function sourceKey(event: CoreV1Event): string {
  const { kind, namespace, name, uid, apiVersion, fieldPath } = event.involvedObject;
  return [event.source?.component, event.source?.host, kind, namespace, name, uid, apiVersion, fieldPath].join('\n');
}

/** Maps keep insertion order: the first key is the one not used for longest. */
function forgetOldest(map: Map<string, unknown>): void {
  if (map.size <= maxRemembered) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}
