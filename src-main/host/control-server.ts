import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { maxFrameBytes } from '#contract/frames';
import type { ContractHandlers } from './handlers.ts';
import { Session } from './session.ts';

/** How long a closing server waits for calls that are still worked on. */
const answerTimeoutMs = 1_000;

export interface ControlServerOptions {
  readonly handlers: ContractHandlers;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The contract for the command line of the same user: TCP on 127.0.0.1, one JSON frame a line. The first line is a token
 * that lies beside the port in `host.json`, which only the user can read.
 */
export class ControlServer {
  readonly token = randomBytes(32).toString('hex');
  readonly #options: ControlServerOptions;
  readonly #sockets = new Map<Socket, Session | undefined>();
  readonly #server: Server;

  constructor(options: ControlServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** Resolves with the port. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  /** Hangs up once calls are answered: the command that stopped the host is told so. */
  async close(): Promise<void> {
    this.#server.close();
    const { context, cancel } = Context.background().withTimeout(this.#options.clock, answerTimeoutMs);
    const answered = Promise.all([...this.#sockets.values()].map((session) => session?.answered()));
    await Promise.race([answered, new Promise<void>((resolve) => context.onEnd(resolve))]);
    cancel();
    for (const socket of this.#sockets.keys()) socket.destroySoon();
  }

  #serve(socket: Socket): void {
    const { handlers, clock, logger } = this.#options;
    const { context, cancel } = Context.background().withCancel();
    this.#sockets.set(socket, undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      cancel();
    });
    socket.on('error', (error) => logger.debug('control connection broke', { error: messageOf(error) }));
    let session: Session | undefined;
    let bytes = 0;
    socket.on('data', (chunk) => {
      bytes = chunk.includes(10) ? 0 : bytes + chunk.byteLength;
      if (bytes > maxFrameBytes) socket.destroy();
    });
    const lines = createInterface({ input: socket, crlfDelay: Infinity });
    // A client that is killed resets its connection: readline passes that on, and nobody else must fall over it.
    lines.on('error', () => socket.destroy());
    lines.on('line', (line) => {
      try {
        if (session) session.receive(JSON.parse(line) as unknown);
        else if (this.#isToken(line)) {
          session = new Session(context, {
            handlers,
            clock,
            logger,
            send: (frame) => void socket.write(`${JSON.stringify(frame)}\n`),
          });
          this.#sockets.set(socket, session);
        } else socket.destroy();
      } catch (error) {
        logger.warn('control connection sent no frame', { error: messageOf(error) });
        socket.destroy();
      }
    });
  }

  #isToken(line: string): boolean {
    const given = Buffer.from(line);
    const expected = Buffer.from(this.token);
    return given.byteLength === expected.byteLength && timingSafeEqual(given, expected);
  }
}
