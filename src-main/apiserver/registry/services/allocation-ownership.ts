import { Context } from '#base/context';
import type { Clock } from '#base/clock';
import type { Random } from '#base/random';
import type { EtcdClient } from '#etcd/client';
import { fromStore } from '../../storage/errors.ts';
import type { Guard } from '../../storage/object-store.ts';

const key = '/drydock.io/service-allocations';
/** Whoever lost the ownership waits up to so long before taking it back, so that servers do not only take it from each other. */
const longestPauseMs = 20;

export interface AllocationOwnershipOptions {
  /** The API server's name: the value of the key, for people who look at it. */
  readonly owner: string;
  readonly etcd: EtcdClient;
  /** Resolves when this server's cache of Services is at least as new as the revision. */
  readonly waitFor: (context: Context, revision: number) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Which of several API servers gives out cluster IPs and node ports. One of them does at a time: it has written a key of the
 * store, and each write that takes a number is made on the condition that the key is still as this server left it. Taking the
 * key over waits until everything that was given out before is in this server's cache:
 *
 *     A puts key (revision 7)   A: Service a 10.96.0.20, if key is at 7   ✓ 8
 *     B puts key (9)            A: Service b 10.96.0.21, if key is at 7   ✗ not written: A takes the key back first
 *     B's cache reaches 9       B: Service c 10.96.0.21, if key is at 9   ✓ 10
 *
 * A server that is alone takes it once. (Upstream keeps bitmaps and IPAddress objects instead, release 1.36; what is in use
 * is told by the Services themselves here, so nothing can leak and nothing needs repair.)
 */
export class AllocationOwnership {
  readonly #options: AllocationOwnershipOptions;
  #guard: Guard | undefined;
  #taking: Promise<Guard> | undefined;
  #wasLost = false;

  constructor(options: AllocationOwnershipOptions) {
    this.#options = options;
  }

  /** The condition for writes while this server believes itself the owner. */
  get guard(): Guard | undefined {
    return this.#guard;
  }

  /** Resolves as the owner, with every number that others gave out in the cache. Throws StatusError. */
  async take(): Promise<Guard> {
    if (this.#guard) return this.#guard;
    this.#taking ??= this.#take().finally(() => {
      this.#taking = undefined;
    });
    return this.#taking;
  }

  /** A write on that condition was refused: somebody else may be the owner. */
  lost(guard: Guard): void {
    if (this.#guard !== guard) return;
    this.#guard = undefined;
    this.#wasLost = true;
  }

  async #take(): Promise<Guard> {
    const { owner, etcd, waitFor, clock, random } = this.#options;
    // For all requests that wait, so not ended by any one of them; the store and the cache have limits of their own.
    const context = Context.background();
    if (this.#wasLost) await clock.sleep(context, random.integer(longestPauseMs));
    const value = new TextEncoder().encode(JSON.stringify({ owner }));
    const put = { type: 'put', key, value } as const;
    const { revision: modRevision } = await fromStore(etcd.txn(context, { compare: [], success: [put], failure: [] }));
    await waitFor(context, modRevision);
    this.#guard = { key, modRevision };
    return this.#guard;
  }
}
