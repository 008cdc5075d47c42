import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const cookieName = 'drydock_session';

/**
 * Who may talk to the UI server. It listens on loopback, where every local program and, through DNS rebinding or plain
 * cross-site requests, every web page can reach it. So: the Host header must name loopback, an Origin must be our own, and a
 * session cookie is needed, which is given once in exchange for the token in the printed address.
 */
export class OriginGuard {
  #token: string | undefined = randomBytes(24).toString('base64url');
  readonly #sessions = new Set<string>();

  /** The token for one browser; a new one is made when it was used. */
  get token(): string {
    this.#token ??= randomBytes(24).toString('base64url');
    return this.#token;
  }

  /** Whether Host (and Origin, when there is one) are those of this server on `port`. */
  isOwnOrigin(request: IncomingMessage, port: number): boolean {
    const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
    const { host, origin } = request.headers;
    if (host === undefined || !hosts.includes(host)) return false;
    return origin === undefined || origin === `http://${host}`;
  }

  /** The cookie header for a browser that shows the token; undefined when it is not the token. Each token works once. */
  exchange(shown: string): string | undefined {
    if (this.#token === undefined || !equal(shown, this.#token)) return undefined;
    this.#token = undefined;
    const session = randomBytes(24).toString('base64url');
    this.#sessions.add(session);
    return `${cookieName}=${session}; HttpOnly; SameSite=Strict; Path=/`;
  }

  hasSession(request: IncomingMessage): boolean {
    const cookies = (request.headers.cookie ?? '').split(';').map((part) => part.trim());
    const shown = cookies.find((part) => part.startsWith(`${cookieName}=`))?.slice(cookieName.length + 1);
    if (!shown) return false;
    for (const session of this.#sessions) if (equal(session, shown)) return true;
    return false;
  }
}

function equal(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
