import { createServer, type Server, type Socket } from 'node:net';
import { listen } from '#apiserver/http/listen';

/** Who can take a connection. */
export interface Backend {
  readonly name: string;
  accept(socket: Socket): void;
}

/**
 * The one address of several API servers: each new connection goes to the living one that has the fewest. There is no end of TLS
 * here, and no copying either: the API servers are in this process, so the accepted socket itself is handed over, and its
 * peer's address with it. A connection lives and dies with the API server that has it; who was cut off connects again
 * and is somewhere else.
 */
export class Balancer {
  readonly #living: () => readonly Backend[];
  readonly #servers = new Set<Server>();
  readonly #open = new Map<string, number>();
  #turn = 0;

  /** `living` is asked for each connection: who is dead gets none from that moment. */
  constructor(living: () => readonly Backend[]) {
    this.#living = living;
  }

  /** Connections that are open, by backend. */
  get connections(): ReadonlyMap<string, number> {
    return this.#open;
  }

  /** Throws ListenError. */
  async listen(host: string, port: number): Promise<void> {
    const server = createServer((socket) => this.#assign(socket));
    await listen(server, host, port);
    this.#servers.add(server);
  }

  /** New connections are refused; those that are open belong to their API servers. */
  close(): void {
    for (const server of this.#servers) server.close();
    this.#servers.clear();
  }

  #assign(socket: Socket): void {
    const backend = this.#choose();
    if (!backend) {
      // As near to "connection refused" as somebody who listens can say it.
      socket.resetAndDestroy();
      return;
    }
    const { name } = backend;
    this.#open.set(name, this.#count(name) + 1);
    socket.once('close', () => this.#open.set(name, this.#count(name) - 1));
    backend.accept(socket);
  }

  #choose(): Backend | undefined {
    const living = this.#living();
    const first = this.#turn++ % Math.max(1, living.length);
    const inTurn = [...living.slice(first), ...living.slice(0, first)];
    const least = Math.min(...inTurn.map(({ name }) => this.#count(name)));
    return inTurn.find(({ name }) => this.#count(name) === least);
  }

  #count(name: string): number {
    return this.#open.get(name) ?? 0;
  }
}
