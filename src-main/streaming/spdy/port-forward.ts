import type { ByteStream } from '#base/streams';
import type { SpdyConnection } from './connect.ts';

export const portForwardSpdyProtocols: readonly string[] = ['portforward.k8s.io'];

/**
 * One forwarded connection on a fresh session (`tools/portforward` of client-go, release 1.36): the server dials when it has
 * the pair of streams. Whether it could is known only later, so it is `incoming` that throws what `failed` makes of the
 * server's words.
 */
export async function openPortForward(
  connection: SpdyConnection,
  port: number,
  failed: (message: string) => Error,
): Promise<ByteStream> {
  const headers = { port: String(port), requestid: '0' };
  const error = await connection.open({ ...headers, streamtype: 'error' });
  await error.end();
  const data = await connection.open({ ...headers, streamtype: 'data' });
  const complaint = textOf(error.incoming);
  complaint.catch(() => undefined);
  async function* incoming(): AsyncGenerator<Uint8Array> {
    let broken: unknown;
    try {
      yield* data.incoming;
    } catch (cause) {
      broken = cause;
    }
    const text = await complaint;
    if (text !== '') throw failed(text);
    if (broken !== undefined) throw broken;
  }
  return {
    incoming: incoming(),
    write: (chunk) => data.write(chunk),
    end: () => void data.end().catch(() => undefined),
    destroy: () => connection.close(),
  };
}

/** What the server wrote; what broke the stream counts as silence. */
async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const read: Uint8Array[] = [];
  try {
    for await (const chunk of chunks) read.push(chunk);
  } catch (error) {
    if (read.length === 0) throw error;
  }
  return Buffer.concat(read).toString('utf8');
}
