import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BuiltImage } from '#images/oci-archive';

/** An image registry over plain HTTP, as far as a pull needs one, that asks for a user and a password. */
export class ImageRegistry {
  readonly #server: Server;
  readonly #images = new Map<string, BuiltImage>();
  readonly #credentials: string;
  /** Paths that were asked for, with what was answered. */
  readonly requests: string[] = [];

  constructor(username: string, password: string) {
    this.#credentials = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  /** Listens on a free port of `address` and returns it. */
  async listen(address: string): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, address, resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Serves `image` as `repository:tag`. */
  put(repository: string, tag: string, image: BuiltImage): void {
    this.#images.set(`${repository}/manifests/${tag}`, image);
    this.#images.set(`${repository}/manifests/${image.digest}`, image);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').replace(/^\/v2\//, '').replace(/\?.*$/, '');
    if (request.headers.authorization !== this.#credentials) {
      this.requests.push(`401 ${path}`);
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
      return;
    }
    const body = this.#body(path);
    this.requests.push(`${body ? 200 : 404} ${path}`);
    if (!body) {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
      return;
    }
    response.writeHead(200, {
      'content-type': body.type,
      'content-length': body.size,
      'docker-content-digest': body.digest,
    });
    if (request.method !== 'HEAD') for await (const chunk of body.open()) response.write(chunk);
    response.end();
  }

  #body(path: string): Body | undefined {
    const image = this.#images.get(path);
    const bytes = (content: Buffer, digest: string, type: string): Body => ({
      ...{ type, digest, size: content.length },
      open: async function* () {
        yield content;
      },
    });
    if (image) return bytes(image.manifest, image.digest, 'application/vnd.oci.image.manifest.v1+json');
    const digest = path.split('/blobs/')[1];
    for (const { id, config, layers } of this.#images.values()) {
      if (id === digest) return bytes(config, id, 'application/octet-stream');
      const found = layers.find(({ blob }) => blob.digest === digest);
      if (!found) continue;
      const { blob, layer } = found;
      return { type: 'application/octet-stream', digest: blob.digest, size: blob.size, open: () => layer.open() };
    }
    return undefined;
  }
}

interface Body {
  readonly type: string;
  readonly digest: string;
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}
