/** Events in a WatchResponse: fields 11 at the top. */
export function countEvents(message: Buffer): number {
  let events = 0;
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    if (tag >> 3 === 11) events++;
    const length = varint();
    if ((tag & 7) === 2) at += length;
  }
  return events;
}
