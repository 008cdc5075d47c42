import { connect } from 'node:net';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { DialError, type ByteStream, type DialErrorCode, type ExecSession, type SocketAddress } from '#base/streams';
import { byteStreamOf } from '#streaming/byte-streams';

/** How long a packet to a container of this computer may take before there is no route to it. */
const connectTimeoutMs = 5_000;

/** A TCP connection of this process. Throws DialError. */
export function dialDirect(context: Context, clock: Clock, address: SocketAddress): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.ip, port: address.port, allowHalfOpen: true, noDelay: true });
    const give = (error: Error): void => {
      settle();
      socket.destroy();
      reject(error);
    };
    const timer = clock.setTimer(connectTimeoutMs, () =>
      give(
        new DialError('ETIMEDOUT', `${address.ip}:${address.port} did not answer within ${connectTimeoutMs / 1000} s`),
      ),
    );
    const end = context.onEnd(() => give(new CancelledError(context.endedBy ?? 'cancelled')));
    const settle = (): void => {
      timer.dispose();
      end.dispose();
    };
    socket.once('error', (error: NodeJS.ErrnoException) =>
      give(new DialError(dialCode(error.code), `${address.ip}:${address.port}: ${error.message}`)),
    );
    socket.once('connect', () => {
      settle();
      socket.removeAllListeners('error');
      resolve(byteStreamOf(socket));
    });
  });
}

/** Whether a failed connection says that there is no way to the address, rather than nobody listening on it. */
export function isUnroutable(error: unknown): boolean {
  return error instanceof DialError && error.code !== 'ECONNREFUSED' && error.code !== 'EADDRINUSE';
}

export function dialCode(code: string | undefined): DialErrorCode {
  switch (code) {
    case 'ECONNREFUSED':
    case 'ENETUNREACH':
    case 'EADDRINUSE':
      return code;
    case 'ETIMEDOUT':
      return 'ETIMEDOUT';
    default:
      return 'EHOSTUNREACH';
  }
}

/**
 * The relay that runs on the machine: connects, says one byte (`+`) or an error code and a line feed on stderr, then carries
 * bytes between its standard streams and the connection, half-closing as either side does.
 */
export function relayCommand(address: SocketAddress): readonly string[] {
  const script = `
    const socket = require('net').connect({ host: process.argv[1], port: +process.argv[2], allowHalfOpen: true });
    socket.on('error', (error) => { process.stderr.write(error.code + '\\n'); process.exitCode = 1; process.stdin.destroy(); });
    socket.on('connect', () => { process.stdout.write('+'); process.stdin.pipe(socket); socket.pipe(process.stdout); });
  `;
  return ['node', '-e', script, address.ip, String(address.port)];
}

/** The connection behind a started relay. Throws DialError with what the relay's own connect call said. */
export async function relayedStream(session: ExecSession, address: SocketAddress): Promise<ByteStream> {
  const { stdin } = session;
  const chunks = session.stdout[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done || !stdin) {
    const said: Buffer[] = [];
    for await (const chunk of session.stderr) said.push(Buffer.from(chunk));
    const code = Buffer.concat(said).toString('utf8').trim();
    throw new DialError(dialCode(code), `${address.ip}:${address.port}: ${code || 'the relay on the machine ended'}`);
  }
  async function* incoming(head: Uint8Array): AsyncGenerator<Uint8Array> {
    if (head.length > 0) yield head;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
  }
  return {
    incoming: incoming(first.value.subarray(1)),
    write: (chunk) => stdin.write(chunk),
    end: () => stdin.end(),
    destroy: () => session.close(),
  };
}
