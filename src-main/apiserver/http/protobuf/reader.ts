/** Reads the protobuf wire format (protobuf.dev/programming-guides/encoding), as far as Kubernetes uses it. */
export interface WireField {
  readonly number: number;
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  readonly type: number;
  /** For type 0, as a signed 64 bit number. */
  readonly varint: bigint;
  /** For all other types. */
  readonly bytes: Buffer;
}

/** The bytes are no protobuf message. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

const noBytes = Buffer.alloc(0);

/** The fields of one message, in their order. Throws {@link WireError}. */
export function* readFields(message: Buffer): Generator<WireField> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) throw new WireError('unexpected EOF');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw new WireError('a varint is too long');
  };
  const take = (length: number): Buffer => {
    if (length < 0 || at + length > message.length) throw new WireError('unexpected EOF');
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = Number(varint());
    const [number, type] = [tag >> 3, tag & 7];
    if (number <= 0) throw new WireError(`illegal tag ${tag}`);
    if (type === 0) yield { number, type, varint: varint(), bytes: noBytes };
    else if (type === 1) yield { number, type, varint: 0n, bytes: take(8) };
    else if (type === 5) yield { number, type, varint: 0n, bytes: take(4) };
    else if (type === 2) yield { number, type, varint: 0n, bytes: take(Number(varint())) };
    else throw new WireError(`illegal wire type ${type}`);
  }
}
