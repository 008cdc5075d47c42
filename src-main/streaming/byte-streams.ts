import { Duplex } from 'node:stream';
import type { ByteStream } from '#base/streams';

/** A Node stream as the rooms pass connections to each other. */
export function byteStreamOf(duplex: Duplex): ByteStream {
  // Without a listener an error that nobody awaits would end the process; readers and writers hear of it anyway.
  duplex.on('error', () => undefined);
  return {
    // Node's default iterator would destroy both directions when the first one ends.
    incoming: { [Symbol.asyncIterator]: () => duplex.iterator({ destroyOnReturn: false }) },
    write: (chunk) =>
      new Promise((resolve, reject) => {
        if (duplex.destroyed || duplex.writableEnded) {
          reject(duplex.errored ?? new Error('the connection is closed'));
          return;
        }
        duplex.write(chunk, (error) => (error ? reject(error) : resolve()));
      }),
    end: () => void duplex.end(),
    destroy: (error) => void duplex.destroy(error),
  };
}

/**
 * Carries bytes both ways until both ends have closed. Half-closes travel on, a slow reader stops its writer. When one breaks
 * the other is broken too, and this rejects with the reason.
 */
export async function relay(one: ByteStream, other: ByteStream): Promise<void> {
  try {
    await Promise.all([copy(one, other), copy(other, one)]);
  } catch (error) {
    one.destroy();
    other.destroy();
    throw error;
  }
}

async function copy(from: ByteStream, to: ByteStream): Promise<void> {
  for await (const chunk of from.incoming) await to.write(chunk);
  to.end();
}

/** A connection as Node's own protocols (TLS, HTTP) want it. Each end closes on its own. */
export function duplexOf(stream: ByteStream): Duplex {
  const incoming = stream.incoming[Symbol.asyncIterator]();
  const duplex: Duplex = new Duplex({
    allowHalfOpen: true,
    read() {
      incoming.next().then(
        ({ done, value }) => duplex.push(done ? null : value),
        (error: unknown) => duplex.destroy(error instanceof Error ? error : new Error(String(error))),
      );
    },
    write(chunk: Uint8Array, _encoding, callback) {
      stream.write(chunk).then(() => callback(), callback);
    },
    final(callback) {
      stream.end();
      callback();
    },
    destroy(error, callback) {
      stream.destroy(error ?? undefined);
      callback(error);
    },
  });
  return duplex;
}
