import { createDeflate, createInflate, constants } from 'node:zlib';
import { expect, test } from 'vitest';
import { AsyncQueue } from '#base/async-queue';
import { controlFrame, controlType, dataFrame, flagFin, FrameParser, numbersFrame } from './frames.ts';
import { spdyDictionary } from './dictionary.ts';
import { HeaderCodec } from './header-codec.ts';
import { SpdySession, type SpdyStream, type SpdyTransport } from './session.ts';

test('the dictionary has the checksum that every SPDY/3 header block names', () => {
  let [a, b] = [1, 0];
  for (const byte of spdyDictionary) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  expect(((b << 16) | a) >>> 0).toBe(0xe3c6a7c2);
  expect(createDeflate({ dictionary: spdyDictionary })).toBeDefined();
  expect(createInflate({ dictionary: spdyDictionary, flush: constants.Z_SYNC_FLUSH })).toBeDefined();
});

test('header blocks survive both ends, one zlib stream for all of them', async () => {
  const [left, right] = [new HeaderCodec(), new HeaderCodec()];
  for (let i = 0; i < 5; i++) {
    const headers = { streamtype: 'data', port: '80', requestid: String(i), long: 'x'.repeat(i * 9000) };
    expect(await right.decode(await left.encode(headers))).toEqual(headers);
  }
  await expect(right.decode(Buffer.from('not zlib'))).rejects.toThrow('damaged header block');
});

test('frames are cut out of bytes however they arrive', () => {
  const bytes = Buffer.concat([
    dataFrame(1, Buffer.from('abc'), flagFin),
    numbersFrame(controlType.ping, 7),
    dataFrame(3, Buffer.alloc(0)),
  ]);
  const parser = new FrameParser();
  const frames = [...bytes].flatMap((byte) => parser.push(Buffer.from([byte])));
  expect(frames.map(({ kind, flags, payload }) => [kind, flags, payload.toString('hex')])).toEqual([
    ['data', flagFin, '616263'],
    ['control', 0, '00000007'],
    ['data', 0, ''],
  ]);
  expect(() => new FrameParser().push(Buffer.from('80020001000000ff'.padEnd(600, '0'), 'hex'))).toThrow(
    'SPDY version 2',
  );
});

test('a session accepts streams, carries data both ways and ends with its transport', async () => {
  const client = new HeaderCodec();
  const messages = new AsyncQueue<Uint8Array>();
  const sent: Uint8Array[] = [];
  const streams: SpdyStream[] = [];
  const session = new SpdySession({ messages, send: async (bytes) => void sent.push(bytes) }, (stream) =>
    streams.push(stream),
  );
  const running = session.run();
  const syn = async (id: number, headers: Record<string, string>, flags = 0): Promise<void> => {
    const fixed = Buffer.alloc(10);
    fixed.writeUInt32BE(id);
    messages.push(controlFrame(controlType.synStream, Buffer.concat([fixed, await client.encode(headers)]), flags));
  };
  await syn(1, { streamtype: 'error' }, flagFin);
  await syn(3, { streamtype: 'data', port: '80' });
  messages.push(dataFrame(3, Buffer.from('ping')));
  messages.push(numbersFrame(controlType.ping, 9));
  await expect.poll(() => sent.length).toBe(3);
  const [error, data] = streams;
  expect(data?.headers).toEqual({ streamtype: 'data', port: '80' });
  expect((await error?.incoming[Symbol.asyncIterator]().next())?.done).toBe(true);
  expect((await data?.incoming[Symbol.asyncIterator]().next())?.value).toEqual(Buffer.from('ping'));
  await data?.write(Buffer.alloc(70_000));
  await data?.end();
  await data?.end();
  const frames = new FrameParser().push(Buffer.concat(sent));
  expect(frames.map((frame) => (frame.kind === 'data' ? frame.payload.length : `type ${frame.type}`))).toEqual([
    ...['type 2', 'type 2', 'type 6'],
    ...[32_768, 32_768, 4464, 0],
  ]);
  messages.end();
  await running;
  await expect(data?.incoming[Symbol.asyncIterator]().next()).rejects.toThrow('the session ended');
});

/** A client and a server joined back to back. */
function pairOfSessions(onStream: (stream: SpdyStream) => void): { client: SpdySession } {
  const [toServer, toClient] = [new AsyncQueue<Uint8Array>(), new AsyncQueue<Uint8Array>()];
  const transport = (messages: AsyncQueue<Uint8Array>, peer: AsyncQueue<Uint8Array>): SpdyTransport => ({
    messages,
    send: async (bytes) => peer.push(bytes),
  });
  const client = new SpdySession(transport(toClient, toServer));
  const server = new SpdySession(transport(toServer, toClient), onStream);
  void client.run();
  void server.run();
  return { client };
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test('a client opens streams, several at once, and each half closes on its own', async () => {
  const { client } = pairOfSessions((stream) => {
    void textOf(stream.incoming).then(async (text) => {
      await stream.write(Buffer.from(`${stream.headers['streamtype']}:${text}`));
      await stream.end();
    });
  });
  const streams = await Promise.all(['a', 'b', 'c'].map((streamtype) => client.open({ streamtype })));
  expect(streams.map((stream) => stream.id)).toEqual([1, 3, 5]);
  for (const stream of streams) await stream.write(Buffer.from('x'.repeat(stream.id)));
  for (const stream of streams) await stream.end();
  expect(await Promise.all(streams.map((stream) => textOf(stream.incoming)))).toEqual(['a:x', 'b:xxx', 'c:xxxxx']);
});

test('a client takes more than may wait, as its reader takes it', async () => {
  const stream = new AsyncQueue<SpdyStream>();
  const { client } = pairOfSessions((opened) => stream.push(opened));
  const [mine, theirs] = await Promise.all([
    client.open({ streamtype: 'stdout' }),
    stream[Symbol.asyncIterator]().next(),
  ]);
  const block = Buffer.alloc(32 * 1024, 1);
  for (let i = 0; i < 64; i++) await theirs.value?.write(block);
  await theirs.value?.end();
  let read = 0;
  for await (const chunk of mine.incoming) read += chunk.length;
  expect(read).toBe(64 * block.length);
});

test('what is not answered when the session ends was refused', async () => {
  const toClient = new AsyncQueue<Uint8Array>();
  const client = new SpdySession({ messages: toClient, send: async () => {} });
  void client.run();
  const opening = client.open({ streamtype: 'data' });
  toClient.end();
  await expect(opening).rejects.toThrow('the session ended');
  await expect(client.open({})).rejects.toThrow('the session ended');
});
