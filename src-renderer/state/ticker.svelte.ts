/** The lab's time, moved on twice a second while something looks at it; held still while the lab's past is looked at. */
export class Ticker {
  #liveMs = $state(Date.now());
  #heldMs = $state<number | undefined>();
  /** What the host's clock is ahead of this page's. */
  #aheadMs = 0;

  /** The time by which everything on the screen is told. */
  get nowMs(): number {
    return this.#heldMs ?? this.#liveMs;
  }

  /** The time now, whatever is looked at. */
  get liveMs(): number {
    return this.#liveMs;
  }

  /** Shows another time than now's; undefined ends that. */
  hold(epochMs: number | undefined): void {
    this.#heldMs = epochMs;
  }

  synchronize(hostNowMs: number): void {
    this.#aheadMs = hostNowMs - Date.now();
    this.#liveMs = hostNowMs;
  }

  /** Returns what stops it. */
  run(): () => void {
    const timer = setInterval(() => {
      this.#liveMs = Date.now() + this.#aheadMs;
    }, 500);
    return () => clearInterval(timer);
  }
}
