import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import {
  Client,
  connectivityState,
  credentials,
  Metadata,
  status,
  type ChannelCredentials,
  type ServiceError,
} from '@grpc/grpc-js';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { EtcdError } from '../client.ts';
import { decodeMessage, encodeMessage } from '../rpc/schema.ts';
import { toEtcdError, type GrpcFailure } from './errors.ts';
import { methods, type HeaderMessage, type RemoteMethod, type StatusAnswer } from './methods.ts';

/** PEM texts. Without `ca` the computer's own authorities count; without `cert` and `key` the client shows no certificate. */
export interface RemoteTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface StreamOptions {
  readonly requireLeader: boolean;
  /** Nothing follows the first message. */
  readonly oneRequest?: boolean;
}

/** A failed call, with what gRPC said. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly failure: GrpcFailure;
  readonly etcdError: EtcdError;

  constructor(failure: GrpcFailure, endpoint: string) {
    super(failure.details);
    this.failure = failure;
    this.etcdError = toEtcdError(failure, endpoint);
  }
}

/** How long an answer may take before it is asked whether the member lives, and how long it has to answer that. */
const patienceMs = 800;
const pulseMs = 1_000;

/** Between two looks, and for an answer that is on its way. */
const graceMs = 500;
/** etcd's own words for it. */
const leaderFailed: GrpcFailure = {
  code: status.UNAVAILABLE,
  details: 'etcdserver: request timed out, possibly due to previous leader failure',
};

/**
 * HTTP/2 pings find out about hosts that vanished without a word. etcd ends connections that ping more often than every 5 s.
 * Retries are this room's business: the library would not know which requests may be sent twice.
 */
const channelOptions = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 2_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.service_config_disable_resolution': 1,
} as const;

/** The connection to one member. A member that does not even answer its status is given up: its calls fail, streams too. */
export class Connection {
  readonly endpoint: string;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #underWay = new Set<(why: GrpcFailure) => void>();
  #pulse: Promise<StatusAnswer | undefined> | undefined;
  /** The raft term of the last answer: it grows with each election. */
  #term = 0;

  constructor(endpoint: string, tls: RemoteTls | undefined, clock: Clock) {
    this.endpoint = endpoint;
    this.#clock = clock;
    const { host, hostname, protocol } = new URL(endpoint);
    const address = hostname.replace(/^\[|\]$/g, '');
    // TLS knows names only: for an address the name says nothing, and what counts is checked below.
    const naming = isIP(address) === 0 ? {} : { 'grpc.ssl_target_name_override': 'localhost' };
    const security = protocol === 'https:' ? secure(address, tls) : credentials.createInsecure();
    this.#client = new Client(host, security, { ...channelOptions, ...naming });
  }

  get isReady(): boolean {
    return this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /** Resolves when requests can be sent. Throws EtcdError UNAVAILABLE with the reason: nothing was sent. */
  async ready(context: Context, withinMs: number): Promise<void> {
    const channel = this.#client.getChannel();
    const deadlineMs = this.#clock.now() + withinMs;
    for (;;) {
      context.check();
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) return;
      if (state === connectivityState.SHUTDOWN) throw new EtcdError('UNAVAILABLE', 'etcd is not running');
      if (state === connectivityState.TRANSIENT_FAILURE) throw await this.#whyNot(context);
      if (this.#clock.now() >= deadlineMs)
        throw new EtcdError('UNAVAILABLE', `${this.endpoint} does not answer: no connection within ${withinMs} ms`);
      await new Promise<void>((resolve) => {
        channel.watchConnectivityState(state, deadlineMs + 1, () => resolve());
      });
    }
  }

  /** Throws {@link CallError}; CancelledError when `context` ends first. */
  unary<Answer>(
    context: Context,
    method: RemoteMethod,
    message: object,
    options: { readonly timeoutMs: number; readonly requireLeader?: boolean; readonly patient?: boolean },
  ): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      const accompanied = context.withCancel();
      const settle = (act: () => void): void => {
        link.dispose();
        accompanied.cancel();
        this.#underWay.delete(giveUp);
        act();
      };
      const giveUp = (why: GrpcFailure): void => {
        settle(() => reject(new CallError(why, this.endpoint)));
        call.cancel();
      };
      const call = this.#client.makeUnaryRequest(
        method.path,
        (request: object) => encodeMessage(method.request, request),
        (bytes) => decodeMessage<Answer & object>(method.response, bytes),
        message,
        metadata(options.requireLeader === true),
        { deadline: this.#clock.now() + options.timeoutMs },
        (error: ServiceError | null, answer?: Answer) => {
          settle(() => {
            if (!error && answer !== undefined) resolve(this.#noteTerm(answer));
            else if (context.ended) reject(new CancelledError(context.endedBy ?? 'cancelled'));
            else reject(new CallError(toFailure(error, options.timeoutMs), this.endpoint));
          });
        },
      );
      this.#underWay.add(giveUp);
      if (options.patient !== true) void this.#accompany(accompanied.context, giveUp);
      const link = context.onEnd(() => call.cancel());
    });
  }

  /** Messages in, messages out, until `context` ends or the reader stops. Throws {@link CallError}. */
  async *stream<Answer>(
    context: Context,
    method: RemoteMethod,
    first: object,
    options: StreamOptions,
  ): AsyncGenerator<Answer> {
    const call = this.#client.makeBidiStreamRequest(
      method.path,
      (request: object) => encodeMessage(method.request, request),
      (bytes) => decodeMessage<Answer & object>(method.response, bytes),
      metadata(options.requireLeader),
    );
    let givenUp: GrpcFailure | undefined;
    const giveUp = (why: GrpcFailure): void => {
      givenUp = why;
      call.cancel();
    };
    this.#underWay.add(giveUp);
    const link = context.onEnd(() => call.cancel());
    try {
      call.write(first);
      if (options.oneRequest === true) call.end();
      for await (const answer of call as AsyncIterable<Answer>) yield answer;
    } catch (error) {
      if (context.ended) return;
      throw new CallError(givenUp ?? toFailure(error as ServiceError, 0), this.endpoint);
    } finally {
      link.dispose();
      this.#underWay.delete(giveUp);
      // A cancelled call still reports that; nobody listens any more.
      call.on('error', () => {});
      call.cancel();
    }
  }

  /** Fails everything under way, as when the member was found dead. */
  giveUp(details: string): void {
    for (const one of [...this.#underWay]) one({ code: status.UNAVAILABLE, details });
  }

  close(): void {
    this.giveUp('the client was closed');
    this.#client.close();
  }

  /**
   * Beside a call that takes long: a member that answers nothing is frozen or cut off, and one that has a new leader has
   * forgotten what it handed to the old one. To wait for the call's deadline would take too long in both cases.
   */
  async #accompany(call: Context, giveUp: (why: GrpcFailure) => void): Promise<void> {
    const term = this.#term;
    try {
      await this.#clock.sleep(call, patienceMs);
      for (;;) {
        const status = await this.#feelPulse();
        if (status && term > 0 && Number(status.raftTerm) > term && status.leader !== '0') {
          await this.#clock.sleep(call, graceMs);
          giveUp(leaderFailed);
        }
        await this.#clock.sleep(call, graceMs);
      }
    } catch (error) {
      // The call came to its end.
      if (!(error instanceof CancelledError)) throw error;
    }
  }

  /** One question for all who wait. When it is not answered, everything under way fails. */
  #feelPulse(): Promise<StatusAnswer | undefined> {
    this.#pulse ??= this.unary<StatusAnswer>(
      Context.background(),
      methods.status,
      {},
      { timeoutMs: pulseMs, patient: true },
    )
      .catch((error: unknown) => {
        if (!(error instanceof CallError)) throw error;
        if (error.failure.code === status.DEADLINE_EXCEEDED) this.giveUp('the member does not answer');
        return undefined;
      })
      .finally(() => {
        this.#pulse = undefined;
      });
    return this.#pulse;
  }

  #noteTerm<Answer>(answer: Answer): Answer {
    const { header } = answer as { readonly header?: HeaderMessage };
    this.#term = Math.max(this.#term, Number(header?.raft_term ?? 0));
    return answer;
  }

  async #whyNot(context: Context): Promise<EtcdError> {
    try {
      await this.unary(context, methods.status, {}, { timeoutMs: 200, patient: true });
      return new EtcdError('UNAVAILABLE', `${this.endpoint} was away for a moment`);
    } catch (error) {
      const details = error instanceof CallError ? error.failure.details : 'no connection';
      return new EtcdError('UNAVAILABLE', `${this.endpoint} does not answer: ${reasonIn(details)}`);
    }
  }
}

function secure(host: string, { ca, cert, key }: RemoteTls = {}): ChannelCredentials {
  const buffer = (text?: string): Buffer | null => (text === undefined ? null : Buffer.from(text));
  return credentials.createSsl(buffer(ca), buffer(key), buffer(cert), {
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
  });
}

/** With it a member that knows no leader says so at once instead of waiting for one. */
function metadata(requireLeader: boolean): Metadata {
  const result = new Metadata();
  if (requireLeader) result.set('hasleader', 'true');
  return result;
}

function toFailure(error: ServiceError | null, timeoutMs: number): GrpcFailure {
  if (error?.code === status.DEADLINE_EXCEEDED)
    return { code: status.DEADLINE_EXCEEDED, details: `no answer within ${timeoutMs / 1000} s` };
  return { code: error?.code ?? status.UNKNOWN, details: error?.details ?? 'no answer' };
}

/** The library wraps what the socket said. */
function reasonIn(details: string): string {
  return /Last error: (.*?)(?:\. Resolution note:.*)?$/s.exec(details)?.[1] ?? details;
}
