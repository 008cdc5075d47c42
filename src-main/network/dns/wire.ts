/** Places in a DNS message (RFC 1035, section 4), for what must pass through unchanged but for an id, a time or a flag. */

const headerBytes = 12;
const truncatedFlag = 0x02;
const responseFlag = 0x80;
/** EDNS0's pseudo-record, whose "TTL" is no time. */
const optType = 41;
/** What a client takes by UDP when it does not say. */
const plainUdpBytes = 512;
/** More than this is often lost on the way by fragmentation: the value resolvers agreed on in 2020. */
const largestUdpBytes = 1232;

export class MessageError extends Error {
  override readonly name = 'MessageError';
}

interface RecordPlace {
  readonly type: number;
  readonly ttlAt: number;
  readonly endAt: number;
  /** Of OPT records: the UDP payload the sender takes. */
  readonly classValue: number;
}

interface Layout {
  /** Where the question section ends. */
  readonly questionEnd: number;
  readonly records: readonly RecordPlace[];
}

function view(message: Uint8Array): DataView {
  return new DataView(message.buffer, message.byteOffset, message.byteLength);
}

/** Throws {@link MessageError} when `message` is not a whole DNS message. */
export function layoutOf(message: Uint8Array): Layout {
  const data = view(message);
  if (message.byteLength < headerBytes) throw new MessageError('too short for a DNS message');
  try {
    let at = headerBytes;
    for (let i = data.getUint16(4); i > 0; i--) at = skipName(data, at) + 4;
    const questionEnd = at;
    const records: RecordPlace[] = [];
    for (let i = data.getUint16(6) + data.getUint16(8) + data.getUint16(10); i > 0; i--) {
      at = skipName(data, at);
      const endAt = at + 10 + data.getUint16(at + 8);
      records.push({ type: data.getUint16(at), classValue: data.getUint16(at + 2), ttlAt: at + 4, endAt });
      at = endAt;
    }
    if (at > message.byteLength) throw new MessageError('a record ends after the message');
    return { questionEnd, records };
  } catch (error) {
    if (error instanceof RangeError) throw new MessageError('a DNS message ends in the middle', { cause: error });
    throw error;
  }
}

function skipName(data: DataView, from: number): number {
  let at = from;
  for (;;) {
    const length = data.getUint8(at);
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    at += 1 + length;
  }
}

/** Bytes of an answer that the sender of `query` takes by UDP. */
export function udpLimit(query: Uint8Array): number {
  const opt = layoutOf(query).records.find((one) => one.type === optType);
  return Math.min(largestUdpBytes, Math.max(plainUdpBytes, opt?.classValue ?? 0));
}

export function hasOpt(message: Uint8Array): boolean {
  return layoutOf(message).records.some((one) => one.type === optType);
}

export function isTruncated(message: Uint8Array): boolean {
  return ((message[2] ?? 0) & truncatedFlag) !== 0;
}

export function isResponse(message: Uint8Array): boolean {
  return ((message[2] ?? 0) & responseFlag) !== 0;
}

export function responseCode(message: Uint8Array): number {
  return (message[3] ?? 0) & 0x0f;
}

export function idOf(message: Uint8Array): number {
  return ((message[0] ?? 0) << 8) | (message[1] ?? 0);
}

/** Whether both ask the same: letter case aside, which some clients vary to be harder to deceive. */
export function sameQuestion(a: Uint8Array, b: Uint8Array): boolean {
  return questionText(a) === questionText(b);
}

/** The question section as a key. */
export function questionText(message: Uint8Array): string {
  const { questionEnd } = layoutOf(message);
  return Buffer.from(message.subarray(headerBytes, questionEnd)).toString('latin1').toLowerCase();
}

/** The shortest time to live in seconds of what `message` says; undefined when it says nothing. */
export function shortestTtl(message: Uint8Array): number | undefined {
  const data = view(message);
  const ttls = layoutOf(message).records.flatMap((one) => (one.type === optType ? [] : [data.getUint32(one.ttlAt)]));
  return ttls.length === 0 ? undefined : Math.min(...ttls);
}

/** `answer` as the reply to `query`: its id and spelling of the question, and times to live `ageSeconds` shorter. */
export function readdress(answer: Uint8Array, query: Uint8Array, ageSeconds: number): Uint8Array {
  const copy = Uint8Array.from(answer);
  const data = view(copy);
  const { questionEnd, records } = layoutOf(copy);
  copy.set(query.subarray(0, 2), 0);
  if (sameQuestion(answer, query)) copy.set(query.subarray(headerBytes, questionEnd), headerBytes);
  for (const { type, ttlAt } of records)
    if (type !== optType) data.setUint32(ttlAt, Math.max(0, data.getUint32(ttlAt) - ageSeconds));
  return copy;
}

/**
 * As many whole records as fit in `limit` bytes. The flag that says "ask again by TCP" is set only when answers are missing:
 * what merely comes in addition is left out silently (RFC 2181, section 9).
 */
export function truncate(answer: Uint8Array, limit: number): Uint8Array {
  const { questionEnd, records } = layoutOf(answer);
  const kept = records.filter((one) => one.endAt <= limit);
  const copy = Uint8Array.from(answer.subarray(0, kept.at(-1)?.endAt ?? questionEnd));
  const data = view(copy);
  const asked = view(answer).getUint16(6) + view(answer).getUint16(8);
  let left = kept.length;
  for (const countAt of [6, 8, 10]) {
    const count = Math.min(left, data.getUint16(countAt));
    data.setUint16(countAt, count);
    left -= count;
  }
  if (kept.length < asked) copy[2] = (copy[2] ?? 0) | truncatedFlag;
  return copy;
}

/** A reply to `query` that has a response code and no records. */
export function emptyReply(query: Uint8Array, code: number): Uint8Array {
  const { questionEnd } = layoutOf(query);
  const copy = Uint8Array.from(query.subarray(0, questionEnd));
  copy.fill(0, 6, headerBytes);
  copy[2] = responseFlag | ((copy[2] ?? 0) & 0x79);
  copy[3] = 0x80 | code;
  return copy;
}
