import { connect, type Socket as NetSocket } from 'node:net';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { DialError, type DialErrorCode, type NetworkNamespace, type Socket, type SocketAddress } from '#base/streams';
import { byteStreamOf } from '#streaming/byte-streams';

const dialErrors: ReadonlySet<string> = new Set<DialErrorCode>([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'EADDRINUSE',
]);

/** Connections out of the network namespace this process is in: where probes and hooks go out from. */
export class HostNetwork implements Pick<NetworkNamespace, 'dial'> {
  dial(context: Context, { ip, port }: SocketAddress): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: ip, port, allowHalfOpen: true, noDelay: true });
      const registration = context.onEnd(() => socket.destroy(new CancelledError(context.endedBy ?? 'cancelled')));
      socket.once('connect', () => {
        registration.dispose();
        resolve(socketOf(socket));
      });
      socket.once('error', (error: NodeJS.ErrnoException) => {
        registration.dispose();
        const code = error.code ?? '';
        reject(dialErrors.has(code) ? new DialError(code as DialErrorCode, error.message) : error);
      });
    });
  }
}

function socketOf(socket: NetSocket): Socket {
  return {
    ...byteStreamOf(socket),
    local: { ip: socket.localAddress ?? '', port: socket.localPort ?? 0 },
    remote: { ip: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
  };
}
