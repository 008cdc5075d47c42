/** A message as it travels by TCP: two bytes of length before it (RFC 1035, section 4.2.2). */
export function frame(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(2 + message.byteLength);
  framed[0] = message.byteLength >> 8;
  framed[1] = message.byteLength & 255;
  framed.set(message, 2);
  return framed;
}

/** Cuts a byte stream into messages. */
export class DnsFrames {
  #rest = new Uint8Array(0);

  /** The messages that are whole with `chunk`. */
  push(chunk: Uint8Array): Uint8Array[] {
    const bytes = new Uint8Array(this.#rest.byteLength + chunk.byteLength);
    bytes.set(this.#rest);
    bytes.set(chunk, this.#rest.byteLength);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (bytes.byteLength - at >= 2) {
      const length = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
      if (bytes.byteLength - at - 2 < length) break;
      messages.push(bytes.slice(at + 2, at + 2 + length));
      at += 2 + length;
    }
    this.#rest = bytes.slice(at);
    return messages;
  }
}

/** Answers the messages of one TCP connection in order, until the client ends it. */
export async function serveFrames(
  incoming: AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array) => Promise<void>,
  answer: (message: Uint8Array) => Promise<Uint8Array>,
): Promise<void> {
  const frames = new DnsFrames();
  for await (const chunk of incoming)
    for (const message of frames.push(chunk)) await write(frame(await answer(message)));
}
