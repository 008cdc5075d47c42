/** The lab's time, moved on twice a second while something looks at it. */
export class Ticker {
  nowMs = $state(Date.now());
  /** What the host's clock is ahead of this page's. */
  #aheadMs = 0;

  synchronize(hostNowMs: number): void {
    this.#aheadMs = hostNowMs - Date.now();
    this.nowMs = hostNowMs;
  }

  /** Returns what stops it. */
  run(): () => void {
    const timer = setInterval(() => {
      this.nowMs = Date.now() + this.#aheadMs;
    }, 500);
    return () => clearInterval(timer);
  }
}
