import type { Clock } from '#base/clock';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { SocketAddress } from '#base/streams';
import type { DnsExchange, DnsTransport } from './exchange.ts';
import { hasOpt, isTruncated, questionText, readdress, responseCode, shortestTtl } from './wire.ts';

/** CoreDNS' `forward` waits as long for one server. */
const serverTimeoutMs = 2_000;
/** As kubeadm's Corefile says: `cache 30`. */
const longestCacheSeconds = 30;
const maxCached = 10_000;
/** More questions than this at once: the rest are refused an answer, so that a loop or a flood costs little. */
const maxInFlight = 1_000;
const noError = 0;
const nameError = 3;

export interface ForwarderOptions {
  /** Asked in order, the last one that answered first. May change from call to call. */
  readonly servers: () => readonly SocketAddress[];
  readonly exchange: DnsExchange;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

interface Cached {
  readonly answer: Uint8Array;
  readonly atMs: number;
  readonly untilMs: number;
}

/**
 * Asks other servers and keeps what they say for as long as they allow, 30 s at most. A question that is being asked already is not
 * asked again: so a loop, in which our own question comes back to us, waits for itself and ends with its timeout.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #cache = new Map<string, Cached>();
  readonly #inFlight = new Map<string, Promise<Uint8Array>>();
  #good: string | undefined;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** The reply to `query`, with its id. Rejects when no server answers. */
  async forward(query: Uint8Array, transport: DnsTransport): Promise<Uint8Array> {
    const { clock } = this.#options;
    const key = `${transport} ${hasOpt(query) ? 'edns' : ''} ${questionText(query)}`;
    const cached = this.#cache.get(key);
    if (cached && clock.now() < cached.untilMs)
      return readdress(cached.answer, query, Math.floor((clock.now() - cached.atMs) / 1000));
    let answer = this.#inFlight.get(key);
    if (!answer) {
      if (this.#inFlight.size >= maxInFlight) throw new Error('too many questions at once');
      // A turn later, so that it counts as asked before its own echo can arrive.
      answer = Promise.resolve()
        .then(() => this.#ask(query, transport))
        .finally(() => this.#inFlight.delete(key));
      this.#inFlight.set(key, answer);
      this.#keep(key, await answer);
    }
    return readdress(await answer, query, 0);
  }

  /** Under an id of our own: those that clients choose may be guessed. */
  async #ask(query: Uint8Array, transport: DnsTransport): Promise<Uint8Array> {
    const { servers, exchange, random, logger } = this.#options;
    const own = Uint8Array.from(query);
    own[0] = random.integer(256);
    own[1] = random.integer(256);
    const failures: string[] = [];
    for (const server of goodFirst(servers(), this.#good)) {
      try {
        const answer = await exchange(server, own, transport, serverTimeoutMs);
        this.#good = nameOf(server);
        return answer;
      } catch (error) {
        failures.push(messageOf(error));
      }
    }
    logger.debug('no DNS server answered', { tried: failures.join('; ') });
    throw new Error(failures.length === 0 ? 'there is no DNS server to ask' : failures.join('; '));
  }

  #keep(key: string, answer: Uint8Array): void {
    const code = responseCode(answer);
    const ttl = Math.min(longestCacheSeconds, shortestTtl(answer) ?? 0);
    if (ttl === 0 || isTruncated(answer) || (code !== noError && code !== nameError)) return;
    const atMs = this.#options.clock.now();
    if (this.#cache.size >= maxCached) this.#forgetOldest();
    this.#cache.delete(key);
    this.#cache.set(key, { answer, atMs, untilMs: atMs + ttl * 1000 });
  }

  #forgetOldest(): void {
    for (const key of this.#cache.keys()) {
      this.#cache.delete(key);
      return;
    }
  }
}

function nameOf({ ip, port }: SocketAddress): string {
  return `${ip}:${port}`;
}

function goodFirst(servers: readonly SocketAddress[], good: string | undefined): readonly SocketAddress[] {
  return [...servers.filter((one) => nameOf(one) === good), ...servers.filter((one) => nameOf(one) !== good)];
}
