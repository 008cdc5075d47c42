/**
 * etcd's keys are bytes in byte order; the rest of Drydock writes keys as text. Inside the store a key is a *byte string*:
 * one character (U+0000 to U+00FF) for each byte of its UTF-8, so that `<` is byte order and ASCII keys, which is all of
 * them in practice, need no conversion and half the memory.
 *
 * Bytes that are no UTF-8 appear in the text as lone surrogates U+DC80 to U+DCFF, one for each byte ("surrogateescape"), so
 * that every byte sequence has exactly one text and comes back unchanged.
 */
export type ByteString = string;

const beyondAscii = /[\u0080-\uffff]/;

export function toByteString(text: string): ByteString {
  return beyondAscii.test(text) ? Buffer.from(encodeKey(text)).toString('latin1') : text;
}

export function fromByteString(bytes: ByteString): string {
  return beyondAscii.test(bytes) ? decodeKey(Buffer.from(bytes, 'latin1')) : bytes;
}

/** The bytes of a key given as text. */
export function encodeKey(text: string): Uint8Array {
  if (!beyondAscii.test(text)) return Buffer.from(text, 'latin1');
  const bytes: number[] = [];
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    if (point >= 0xdc80 && point <= 0xdcff) bytes.push(point - 0xdc00);
    else bytes.push(...Buffer.from(character, 'utf8'));
  }
  return Uint8Array.from(bytes);
}

/** The text of a key given as bytes. */
export function decodeKey(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString('utf8');
  if (!text.includes('\ufffd') || Buffer.from(text, 'utf8').equals(buffer)) return text;
  let escaped = '';
  for (let i = 0; i < buffer.length;) {
    const length = sequenceLength(buffer, i);
    escaped += length > 0 ? buffer.toString('utf8', i, i + length) : String.fromCharCode(0xdc00 + (buffer[i] ?? 0));
    i += Math.max(1, length);
  }
  return escaped;
}

/** Bytes of the well-formed UTF-8 sequence at `start`; 0 when there is none. */
function sequenceLength(buffer: Buffer, start: number): number {
  const first = buffer[start] ?? 0;
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0 || start + length > buffer.length) return 0;
  return buffer.toString('utf8', start, start + length).includes('\ufffd') && !isReplacementCharacter(buffer, start)
    ? 0
    : length;
}

function isReplacementCharacter(buffer: Buffer, start: number): boolean {
  return buffer[start] === 0xef && buffer[start + 1] === 0xbf && buffer[start + 2] === 0xbd;
}
