import { createServer, type Server, type Socket } from 'node:net';
import type { Disposable } from '#base/disposable';
import { listen } from './listen.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * More addresses that lead to the same listener: what connects there is handed to it, so that certificates, limits and the end
 * of a connection are one and the same. The addresses close with the listener and come back when it starts again, until each is
 * disposed of.
 */
export class ExtraAddresses {
  readonly #accept: (socket: Socket) => void;
  readonly #open = new Map<Address, Server | undefined>();

  constructor(accept: (socket: Socket) => void) {
    this.#accept = accept;
  }

  /** Throws ListenError. */
  async add(host: string, port: number): Promise<Disposable> {
    const address = { host, port };
    this.#open.set(address, undefined);
    try {
      await this.#listen(address);
    } catch (error) {
      this.#open.delete(address);
      throw error;
    }
    return {
      dispose: () => {
        this.#open.get(address)?.close();
        this.#open.delete(address);
      },
    };
  }

  /** Listens again where it did before {@link close}. Throws ListenError when one cannot be had. */
  async reopen(): Promise<void> {
    for (const [address, server] of this.#open) if (!server) await this.#listen(address);
  }

  close(): void {
    for (const [address, server] of this.#open) {
      server?.close();
      this.#open.set(address, undefined);
    }
  }

  async #listen(address: Address): Promise<void> {
    const server = createServer((socket) => this.#accept(socket));
    await listen(server, address.host, address.port);
    if (this.#open.has(address)) this.#open.set(address, server);
    else server.close();
  }
}
