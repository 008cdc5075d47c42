import type { ServerHttp2Session } from 'node:http2';
import type { Clock } from '#base/clock';
import type { Disposable } from '#base/disposable';

/** etcd's defaults: `--grpc-keepalive-interval` and `--grpc-keepalive-timeout`. */
const intervalMs = 2 * 3_600_000;
const timeoutMs = 20_000;

/** Pings a client every two hours and ends the connection of one that does not answer: it is gone without a word. */
export class KeepAlive {
  readonly #session: ServerHttp2Session;
  readonly #clock: Clock;
  #timer: Disposable | undefined;

  constructor(session: ServerHttp2Session, clock: Clock) {
    this.#session = session;
    this.#clock = clock;
    this.#wait();
  }

  stop(): void {
    this.#timer?.dispose();
    this.#timer = undefined;
  }

  #wait(): void {
    this.#timer = this.#clock.setTimer(intervalMs, () => this.#ping());
  }

  #ping(): void {
    if (this.#session.destroyed) return;
    this.#timer = this.#clock.setTimer(timeoutMs, () => this.#session.destroy());
    this.#session.ping((error) => {
      this.stop();
      if (!error) this.#wait();
    });
  }
}
