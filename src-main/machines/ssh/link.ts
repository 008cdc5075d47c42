import { Backoff } from '#base/backoff';
import { Context } from '#base/context';
import { disposable, type Disposable } from '#base/disposable';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import { MachineError } from '../errors.ts';
import { SshConnection, type ConnectOptions } from './connection.ts';
import { hopName, type SshTarget } from './target.ts';

export interface LinkOptions extends ConnectOptions {
  readonly random: Random;
  readonly logger: Logger;
  /** Makes a new connection usable. When it throws, the connection is given up and made again. */
  readonly onConnected: (context: Context, connection: SshConnection) => Promise<void>;
}

/** `idle`: nobody asked for a connection yet. `down`: lost, and being made again. */
export type LinkState = 'idle' | 'up' | 'down' | 'closed';

/** Between tries that somebody waits for. */
const retryMs = 500;

const backoffPolicy = { initialMs: 500, factor: 2, maxMs: 30_000, jitter: 0.3 };

/**
 * The connection to one machine over its losses: sleep, another network, a reboot. After a loss it is made again, at growing
 * intervals, until `close`.
 */
export class SshLink {
  readonly #target: SshTarget;
  readonly #options: LinkOptions;
  readonly #backoff: Backoff;
  readonly #listeners = new Set<() => void>();
  readonly #life = Context.background().withCancel();
  #connection: SshConnection | undefined;
  #attempt: Promise<SshConnection> | undefined;
  #state: LinkState = 'idle';
  #lastError: unknown;
  #looping = false;

  constructor(target: SshTarget, options: LinkOptions) {
    this.#target = target;
    this.#options = options;
    this.#backoff = new Backoff(backoffPolicy, options.random);
  }

  get state(): LinkState {
    return this.#state;
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return disposable(() => this.#listeners.delete(listener));
  }

  /** The connection; one that is not there is made now, without waiting for the next turn. Throws as `SshConnection.open`. */
  async connect(context: Context): Promise<SshConnection> {
    context.check();
    if (this.#connection && !this.#connection.lost) return this.#connection;
    if (this.#state === 'closed') throw new MachineError('UNREACHABLE', 'The machine was let go of');
    this.#attempt ??= this.#try().finally(() => (this.#attempt = undefined));
    return within(context, this.#attempt);
  }

  /** For calls that must not wait for a machine that is gone: throws MachineError UNREACHABLE while it is. */
  async require(context: Context): Promise<SshConnection> {
    if (this.#state !== 'down') return this.connect(context);
    const why = messageOf(this.#lastError);
    throw new MachineError('UNREACHABLE', `${hopName(this.#target)} is being reconnected: ${why}`, {
      cause: this.#lastError,
    });
  }

  /** As {@link connect}, for a machine that was there: it may be booting and gets `patienceMs` to come back. */
  async connectPatiently(context: Context, patienceMs: number): Promise<SshConnection> {
    const endMs = this.#options.clock.now() + patienceMs;
    for (;;) {
      try {
        return await this.connect(context);
      } catch (error) {
        const gone = error instanceof MachineError && error.code === 'UNREACHABLE' && this.#state === 'down';
        if (!gone || this.#options.clock.now() >= endMs) throw error;
        await this.#options.clock.sleep(context, retryMs);
      }
    }
  }

  close(): void {
    this.#life.cancel();
    this.#connection?.close();
    this.#set('closed');
  }

  async #try(): Promise<SshConnection> {
    const { context, cancel } = this.#life.context.withCancel();
    let connection: SshConnection | undefined;
    try {
      connection = await SshConnection.open(context, this.#target, this.#options);
      await this.#options.onConnected(context, connection);
    } catch (error) {
      connection?.close();
      this.#lastError = error;
      throw error;
    } finally {
      cancel();
    }
    if (this.#state === 'closed') connection.close();
    this.#connection = connection;
    this.#backoff.reset();
    this.#set('up');
    connection.onLost(() => this.#lose(connection));
    return connection;
  }

  #lose(connection: SshConnection): void {
    if (this.#connection !== connection || this.#state === 'closed') return;
    this.#lastError = connection.lost;
    this.#options.logger.warn('the connection was lost', { machine: hopName(this.#target) });
    this.#set('down');
    if (!this.#looping) void this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    this.#looping = true;
    const { context } = this.#life;
    try {
      while (this.#state === 'down' && !context.ended) {
        await this.#options.clock.sleep(context, this.#delayMs());
        if (this.#state !== 'down') break;
        await this.connect(context).catch((error: unknown) =>
          this.#options.logger.debug('not reached', { machine: hopName(this.#target), error: messageOf(error) }),
        );
      }
    } catch (error) {
      // The life ended while it slept.
      if (!context.ended) throw error;
    } finally {
      this.#looping = false;
    }
  }

  /** A refusal may pass (a machine that boots refuses users), and asking often may lock the user out. */
  #delayMs(): number {
    const error = this.#lastError;
    const refused = error instanceof MachineError && (error.code === 'FORBIDDEN' || error.code === 'HOST_KEY');
    return refused ? backoffPolicy.maxMs : this.#backoff.next();
  }

  #set(state: LinkState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

/** `work` goes on for others when `context` ends first. */
function within<T>(context: Context, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const ending = context.onEnd(() => reject(new CancelledError(context.endedBy ?? 'cancelled')));
    work.then(resolve, reject).finally(() => ending.dispose());
  });
}
