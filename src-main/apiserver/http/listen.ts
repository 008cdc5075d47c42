import type { Server } from 'node:net';
import { CodedError } from '#base/errors';

export type ListenErrorCode =
  'PORT_TAKEN' | 'ADDRESS_NOT_AVAILABLE' | 'PERMISSION_DENIED' | 'LISTEN_FAILED' | 'BAD_CERTIFICATE';

/** Why the listener could not start; the message says what to do. */
export class ListenError extends CodedError<ListenErrorCode> {
  override readonly name = 'ListenError';
}

/** Resolves when `server` listens. Throws {@link ListenError}. */
export function listen(server: Pick<Server, 'once' | 'off' | 'listen'>, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => reject(listenError(cause, host, port));
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

function listenError(cause: NodeJS.ErrnoException, host: string, port: number): ListenError {
  const at = `${host}:${port}`;
  switch (cause.code) {
    case 'EADDRINUSE':
      return new ListenError(
        'PORT_TAKEN',
        `port ${port} on ${host} is taken: stop what listens there or choose another port`,
        { cause },
      );
    case 'EADDRNOTAVAIL':
      return new ListenError('ADDRESS_NOT_AVAILABLE', `${host} is no address of this machine`, { cause });
    case 'EACCES':
      return new ListenError('PERMISSION_DENIED', `listening on ${at} needs more rights: choose a port above 1023`, {
        cause,
      });
    default:
      return new ListenError('LISTEN_FAILED', `cannot listen on ${at}: ${cause.message}`, { cause });
  }
}
