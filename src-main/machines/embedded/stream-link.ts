import type { Disposable } from '#base/disposable';
import type { LinkFaults } from './link-faults.ts';

/** One direction of one connection: what is sent arrives in order, sooner or later. */
export interface StreamLink {
  /** Calls `deliver` when `bytes` of data have arrived; at once where nothing is broken. */
  carry(bytes: number, deliver: () => void): void;
}

interface Load {
  readonly bytes: number;
  readonly deliver: () => void;
}

/** A stream over a link that may be broken: data waits while the link is cut, for TCP sends it again until it arrives. */
export class FaultyStreamLink implements StreamLink {
  readonly #faults: LinkFaults;
  readonly #from: string;
  readonly #to: string;
  /** Sent, and not on the way yet: the link is cut. */
  readonly #waiting: Load[] = [];
  #onTheWay = 0;
  #departsMs = 0;
  #arrivesMs = 0;
  #listening: Disposable | undefined;

  constructor(faults: LinkFaults, from: string, to: string) {
    this.#faults = faults;
    this.#from = from;
    this.#to = to;
  }

  carry(bytes: number, deliver: () => void): void {
    this.#waiting.push({ bytes, deliver });
    this.#send();
  }

  #send(): void {
    const state = this.#faults.between(this.#from, this.#to);
    if (state.drop) {
      this.#listening ??= this.#faults.onChange(() => this.#send());
      return;
    }
    this.#listening?.dispose();
    this.#listening = undefined;
    const { clock } = this.#faults;
    for (let load = this.#waiting.shift(); load; load = this.#waiting.shift()) {
      const { bytes, deliver } = load;
      // Bits a kilobit-a-second are milliseconds.
      this.#departsMs = Math.max(this.#departsMs, clock.now()) + (bytes * 8) / state.rateKbit;
      const travelMs = state.latencyMs + this.#faults.retransmissionMs(state.loss);
      this.#arrivesMs = Math.max(this.#arrivesMs, this.#departsMs + travelMs);
      if (this.#arrivesMs <= clock.now() && this.#onTheWay === 0) {
        deliver();
        continue;
      }
      this.#onTheWay++;
      clock.setTimer(this.#arrivesMs - clock.now(), () => {
        this.#onTheWay--;
        deliver();
      });
    }
  }
}
