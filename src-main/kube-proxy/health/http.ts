import { createServer } from 'node:http';
import { disposable, type Disposable } from '#base/disposable';

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers GET requests by path until disposed. Rejects when the port is taken. Port 0 takes any; the number is returned. */
export function serveHttp(
  host: string,
  port: number,
  answer: (path: string) => HttpAnswer | undefined,
): Promise<Disposable & { readonly port: number }> {
  const server = createServer((request, response) => {
    const [path = '/'] = (request.url ?? '/').split('?');
    const { status, contentType, body, headers } = answer(path) ?? notFound;
    response.writeHead(status, { 'Content-Type': contentType, 'X-Content-Type-Options': 'nosniff', ...headers });
    response.end(body);
  });
  const handle = disposable(() => {
    server.close();
    server.closeAllConnections();
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve({ dispose: handle.dispose, port: typeof address === 'object' && address ? address.port : port });
    });
  });
}

const notFound: HttpAnswer = { status: 404, contentType: 'text/plain; charset=utf-8', body: '404 page not found\n' };
