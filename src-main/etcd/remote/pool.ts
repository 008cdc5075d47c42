import { Backoff } from '#base/backoff';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import { EtcdError } from '../client.ts';
import { CallError, Connection, type RemoteTls, type StreamOptions } from './connection.ts';
import { kindOf } from './errors.ts';
import type { RemoteMethod } from './methods.ts';

export interface PoolOptions {
  /** `https://10.0.0.7:2379`, or `http://…` for clear text. One at least. */
  readonly endpoints: readonly string[];
  /** For https endpoints; absent: the computer's own authorities, and no client certificate. */
  readonly tls?: RemoteTls;
  /** Time of the network: real time, whatever a lab's clock says. */
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly timeoutMs?: number;
}

export interface CallOptions {
  /** A read may be sent to another member when its answer was lost. A write may not. */
  readonly kind: 'read' | 'write';
  /** Any member may answer alone. */
  readonly serializable?: boolean;
  readonly timeoutMs?: number;
}

/**
 * Longer than etcd's own limit for a proposal (5 s and two elections of 1 s), so that a store without quorum is told with
 * etcd's own words. kube-apiserver sets no limit of its own but the request's minute.
 */
const defaultTimeoutMs = 8_000;
/** How long it is tried again while members refuse or are away: an election takes up to 2 s. */
const patienceMs = 3_000;
const connectMs = 700;
/** A member that failed is asked last for so long. */
const suspicionMs = 2_000;

/**
 * The members of one etcd. All calls go to one member as long as it answers, then to the next: a connection that works is
 * worth more than an even load. A request is sent a second time only where that cannot do anything twice.
 */
export class EndpointPool {
  readonly connections: readonly Connection[];
  readonly #options: PoolOptions;
  readonly #suspectUntilMs = new Map<Connection, number>();
  #current: Connection | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.connections = options.endpoints.map((endpoint) => new Connection(endpoint, options.tls, options.clock));
  }

  get timeoutMs(): number {
    return this.#options.timeoutMs ?? defaultTimeoutMs;
  }

  /** Throws EtcdError: TIMEOUT when it is not known whether a write was made, UNAVAILABLE when it was not. */
  call<Answer>(context: Context, method: RemoteMethod, message: object, options: CallOptions): Promise<Answer> {
    const requireLeader = options.serializable !== true;
    return this.run(context, options, (connection, timeoutMs) =>
      connection.unary<Answer>(context, method, message, { timeoutMs, requireLeader }),
    );
  }

  /** As {@link call}, for requests that are more than one message each way. `ask` throws CallError. */
  async run<Answer>(
    context: Context,
    options: CallOptions,
    ask: (connection: Connection, timeoutMs: number) => Promise<Answer>,
  ): Promise<Answer> {
    const { clock } = this.#options;
    const startMs = clock.now();
    const timeoutMs = options.timeoutMs ?? this.timeoutMs;
    const backoff = this.#backoff();
    for (;;) {
      context.check();
      let untilMs = startMs + Math.min(patienceMs, timeoutMs);
      let failure: EtcdError;
      try {
        return await this.#askOnce(context, ask, startMs + timeoutMs - clock.now());
      } catch (error) {
        const kind = error instanceof CallError ? kindOf(error.failure) : 'refused';
        if (error instanceof CallError) failure = error.etcdError;
        else if (error instanceof EtcdError) failure = error;
        else throw error;
        if (kind === 'answered' || (kind === 'lost' && options.kind === 'write')) throw failure;
        if (kind === 'lost') untilMs = startMs + timeoutMs;
      }
      const pauseMs = backoff.next();
      if (clock.now() + pauseMs >= untilMs) throw failure;
      await clock.sleep(context, pauseMs);
    }
  }

  async #askOnce<Answer>(
    context: Context,
    ask: (connection: Connection, timeoutMs: number) => Promise<Answer>,
    timeoutMs: number,
  ): Promise<Answer> {
    const connection = await this.connect(context);
    try {
      const answer = await ask(connection, timeoutMs);
      this.#trust(connection);
      return answer;
    } catch (error) {
      if (error instanceof CallError && kindOf(error.failure) !== 'answered') this.suspect(connection, error.etcdError);
      throw error;
    }
  }

  /** A stream to one member, which ends or throws when that member goes. */
  async *stream<Answer>(
    context: Context,
    method: RemoteMethod,
    first: object,
    options: StreamOptions,
  ): AsyncGenerator<Answer> {
    const connection = await this.connect(context);
    try {
      yield* connection.stream<Answer>(context, method, first, options);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (kindOf(error.failure) !== 'answered') this.suspect(connection, error.etcdError);
      throw error.etcdError;
    }
  }

  /** A member that takes requests now. Throws EtcdError UNAVAILABLE with what each of them said. */
  async connect(context: Context): Promise<Connection> {
    const reasons: string[] = [];
    for (const connection of this.#inOrder()) {
      try {
        await connection.ready(context, connectMs);
        return connection;
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        this.suspect(connection, error);
        reasons.push(error.message);
      }
    }
    throw new EtcdError('UNAVAILABLE', reasons.join('; '));
  }

  /** The connection to a member by its endpoint. Throws EtcdError INVALID_ARGUMENT for one that is not known. */
  connectionOf(endpoint: string): Connection {
    const found = this.connections.find((one) => one.endpoint === endpoint);
    if (found) return found;
    throw new EtcdError('INVALID_ARGUMENT', `${endpoint} is no endpoint of this store`);
  }

  /** It is asked last for a while. */
  suspect(connection: Connection, why: EtcdError): void {
    const { clock, logger } = this.#options;
    if (!this.#isSuspect(connection))
      logger.debug('an etcd member failed', { endpoint: connection.endpoint, why: why.message });
    this.#suspectUntilMs.set(connection, clock.now() + suspicionMs);
    if (this.#current === connection) this.#current = undefined;
  }

  close(): void {
    for (const connection of this.connections) connection.close();
  }

  #trust(connection: Connection): void {
    this.#current ??= connection;
    this.#suspectUntilMs.delete(connection);
  }

  #inOrder(): readonly Connection[] {
    const first = this.#current;
    const rest = this.connections.filter((one) => one !== first);
    const suspects = rest.filter((one) => this.#isSuspect(one));
    const lastFailedFirst = suspects.sort((a, b) => this.#suspicionOf(a) - this.#suspicionOf(b));
    return [...(first ? [first] : []), ...rest.filter((one) => !this.#isSuspect(one)), ...lastFailedFirst];
  }

  #isSuspect(connection: Connection): boolean {
    return this.#suspicionOf(connection) > this.#options.clock.now();
  }

  #suspicionOf(connection: Connection): number {
    return this.#suspectUntilMs.get(connection) ?? 0;
  }

  #backoff(): Backoff {
    return new Backoff({ initialMs: 50, factor: 1.6, maxMs: 400, jitter: 0.3 }, this.#options.random);
  }
}
