import { createServer } from 'node:net';

/** `wanted` when nobody listens there on 127.0.0.1, else a port that is free now. */
export function freePort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = (port: number, onTaken: () => void): void => {
      const server = createServer();
      server.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EADDRINUSE' || error.code === 'EACCES' ? onTaken() : reject(error),
      );
      server.listen(port, '127.0.0.1', () => {
        const address = server.address();
        const bound = typeof address === 'object' && address ? address.port : port;
        server.close(() => resolve(bound));
      });
    };
    probe(wanted, () => probe(0, () => reject(new Error('no free port on 127.0.0.1'))));
  });
}
