import type { Duplex } from 'node:stream';
import type { ClientChannel, Client as SshClient, TcpConnectionDetails } from 'ssh2';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import { DialError, type ByteStream, type DialErrorCode, type ExecSession, type SocketAddress } from '#base/streams';
import { MachineError } from '../errors.ts';
import { channelSession, channelStream } from './channel-stream.ts';
import { handshake, openTcp, type HandshakeOptions } from './handshake.ts';
import { hopName, type SshHop, type SshTarget } from './target.ts';

export interface ConnectOptions extends Omit<HandshakeOptions, 'keepAliveMs'> {
  readonly clock: Clock;
  /** Default 5 s. Three unanswered ones in a row break the connection. */
  readonly keepAliveMs?: number;
  /** For the whole way, jump hosts included. Default 20 s. */
  readonly timeoutMs?: number;
}

/** Reasons of SSH_MSG_CHANNEL_OPEN_FAILURE (RFC 4254, section 5.1). */
const administrativelyProhibited = 1;

/**
 * One SSH connection to a machine, through its jump hosts; it does not come back once it is lost. Calls throw MachineError,
 * UNREACHABLE when the connection is lost meanwhile.
 */
export class SshConnection {
  readonly #client: SshClient;
  readonly #hop: SshHop;
  readonly #chain: readonly SshClient[];
  readonly #lostListeners = new Set<() => void>();
  #lost: MachineError | undefined;

  private constructor(client: SshClient, chain: readonly SshClient[], hop: SshHop) {
    this.#client = client;
    this.#chain = chain;
    this.#hop = hop;
    client.on('error', (error) => this.#lose(error));
    client.once('end', () => this.#lose());
    client.once('close', () => this.#lose());
  }

  /** Throws HostKeyError, and MachineError FORBIDDEN, UNREACHABLE, INVALID or MISSING. */
  static async open(context: Context, target: SshTarget, options: ConnectOptions): Promise<SshConnection> {
    const timeoutMs = options.timeoutMs ?? 20_000;
    const { context: bounded, cancel } = context.withTimeout(options.clock, timeoutMs);
    try {
      return await openChain(bounded, target, options);
    } catch (error) {
      if (!(error instanceof CancelledError) || error.reason !== 'deadline' || context.ended) throw error;
      const seconds = Math.round(timeoutMs / 1000);
      throw new MachineError(
        'UNREACHABLE',
        `${target.host}:${target.port} did not answer within ${seconds} s: check the address, and that no firewall drops the port`,
        { cause: error },
      );
    } finally {
      cancel();
    }
  }

  /** @internal */
  static over(client: SshClient, chain: readonly SshClient[], hop: SshHop): SshConnection {
    return new SshConnection(client, chain, hop);
  }

  /** Undefined while the connection stands. */
  get lost(): MachineError | undefined {
    return this.#lost;
  }

  /** Called once; at once when it is lost already. */
  onLost(listener: () => void): void {
    if (this.#lost) listener();
    else this.#lostListeners.add(listener);
  }

  /** Runs `command` in the user's login shell, which sees it as it is: quote arguments ({@link shellQuote}). */
  async exec(context: Context, command: string, options: { readonly stdin: boolean }): Promise<ExecSession> {
    return this.#request<ClientChannel, ExecSession>(context, (done) => this.#client.exec(command, done), {
      take: (channel) => channelSession(channel, options, () => this.#lost),
      discard: (session) => session.close(),
    });
  }

  /** A TCP connection from the machine. Throws DialError, or MachineError FORBIDDEN where sshd forbids it. */
  dial(context: Context, address: SocketAddress): Promise<ByteStream> {
    return this.#dial(context, address, (channel) => channelStream(channel, () => this.#lost));
  }

  /** As {@link dial}, for a connection to the next host of a chain. */
  dialChannel(context: Context, address: SocketAddress): Promise<ClientChannel> {
    return this.#dial(context, address, (channel) => channel);
  }

  #dial<T extends { destroy(): unknown }>(
    context: Context,
    { ip, port }: SocketAddress,
    take: (channel: ClientChannel) => T,
  ): Promise<T> {
    return this.#request<ClientChannel, T>(context, (done) => this.#client.forwardOut('127.0.0.1', 0, ip, port, done), {
      take,
      discard: (stream) => void stream.destroy(),
      failed: (cause) =>
        cause.reason === administrativelyProhibited
          ? new MachineError(
              'FORBIDDEN',
              `sshd on ${this.#hop.host} forbids forwarding: set "AllowTcpForwarding yes" in its sshd_config`,
              { cause },
            )
          : new DialError(dialErrorCode(cause.message), `${ip}:${port} cannot be reached from ${this.#hop.host}`),
    });
  }

  /**
   * Listens on 127.0.0.1:`port` of the machine for as long as the connection stands and hands each connection to
   * `onConnection`. Throws MachineError ADDRESS_CLASH when sshd cannot listen there.
   */
  async listen(context: Context, port: number, onConnection: (stream: ByteStream) => void): Promise<void> {
    await this.#request<number, void>(context, (done) => this.#client.forwardIn('127.0.0.1', port, done), {
      take: () => undefined,
      failed: (cause) =>
        new MachineError(
          'ADDRESS_CLASH',
          `sshd on ${this.#hop.host} cannot listen on 127.0.0.1:${port}: another program has the port, ` +
            'or its sshd_config lacks "AllowTcpForwarding yes"',
          { cause },
        ),
    });
    this.#client.on(
      'tcp connection',
      (details: TcpConnectionDetails, accept: () => ClientChannel, reject: () => void) => {
        if (details.destPort === port) onConnection(channelStream(accept(), () => this.#lost));
        else reject();
      },
    );
  }

  /** Closes every channel with it. */
  close(): void {
    this.#lose(new Error('closed'));
    for (const client of [this.#client, ...this.#chain]) client.end();
    for (const client of [this.#client, ...this.#chain]) client.destroy();
  }

  #lose(error?: Error): void {
    if (this.#lost) return;
    const text = `The SSH connection to ${hopName(this.#hop)} was lost${error ? `: ${error.message}` : ''}`;
    this.#lost = new MachineError('UNREACHABLE', text, { cause: error });
    for (const listener of this.#lostListeners) listener();
    this.#lostListeners.clear();
    for (const client of this.#chain) client.end();
  }

  /** Listeners must hang on a channel before ssh2 reads on: `take` runs inside its callback. */
  #request<T, R>(
    context: Context,
    start: (done: (error: Failure | undefined, result: T) => void) => void,
    options: RequestOptions<T, R>,
  ): Promise<R> {
    context.check();
    if (this.#lost) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      let given = true;
      const ending = context.onEnd(() => {
        given = false;
        reject(new CancelledError(context.endedBy ?? 'cancelled'));
      });
      const failed = options.failed ?? ((cause) => this.#refused(cause));
      try {
        start((error, result) => {
          if (error) reject(this.#lost ?? failed(error));
          else if (given) resolve(options.take(result));
          else options.discard?.(options.take(result));
          ending.dispose();
        });
      } catch (error) {
        ending.dispose();
        this.#lose(error instanceof Error ? error : undefined);
        reject(this.#lost ?? error);
      }
    });
  }

  #refused(cause: Failure): MachineError {
    return new MachineError('FAILED', `${hopName(this.#hop)} refused a request: ${messageOf(cause)}`, { cause });
  }
}

/** The protocol has one reason for all (2, connect failed); sshd's text is what the system call said. */
function dialErrorCode(text: string): DialErrorCode {
  if (text.includes('No route to host')) return 'EHOSTUNREACH';
  if (text.includes('Network is unreachable')) return 'ENETUNREACH';
  return text.includes('timed out') ? 'ETIMEDOUT' : 'ECONNREFUSED';
}

/** ssh2 gives channel errors the reason of the protocol. */
type Failure = Error & { readonly reason?: unknown };

interface RequestOptions<T, R> {
  readonly take: (result: T) => R;
  /** Takes what arrives after the context ended. */
  readonly discard?: (late: R) => void;
  readonly failed?: (cause: Failure) => Error;
}

async function openChain(context: Context, target: SshTarget, options: ConnectOptions): Promise<SshConnection> {
  const keepAliveMs = options.keepAliveMs ?? 5000;
  const chain: SshClient[] = [];
  try {
    let through: SshConnection | undefined;
    for (const hop of [...(target.jumps ?? []), target]) {
      const address = { ip: hop.host, port: hop.port };
      const socket: Duplex = through ? await through.dialChannel(context, address) : await openTcp(context, hop);
      const client = await handshake(context, hop, socket, { ...options, keepAliveMs });
      through = SshConnection.over(client, [...chain], hop);
      chain.unshift(client);
    }
    if (!through) throw new MachineError('INVALID', 'The machine has no address');
    return through;
  } catch (error) {
    for (const client of chain) client.destroy();
    throw error;
  }
}
