/** Something asked again and again while it is looked at: the last answer, and why there is none now. */
export class Polled<T> {
  answer = $state.raw<T | undefined>();
  before = $state.raw<T | undefined>();
  error = $state<string | undefined>();
  readonly #ask: () => Promise<T>;
  readonly #everyMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #run = 0;

  constructor(everyMs: number, ask: () => Promise<T>) {
    this.#everyMs = everyMs;
    this.#ask = ask;
  }

  /** Returns what ends it. */
  start(): () => void {
    const run = ++this.#run;
    void this.#poll(run);
    return () => {
      this.#run++;
      clearTimeout(this.#timer);
    };
  }

  /** Asks now, and then again in its own time. */
  refresh(): void {
    clearTimeout(this.#timer);
    void this.#poll(++this.#run);
  }

  async #poll(run: number): Promise<void> {
    try {
      const answer = await this.#ask();
      if (run !== this.#run) return;
      this.before = this.answer;
      this.answer = answer;
      this.error = undefined;
    } catch (error) {
      if (run !== this.#run) return;
      this.error = error instanceof Error ? error.message : String(error);
    }
    this.#timer = setTimeout(() => void this.#poll(run), this.#everyMs);
  }
}
