/** Bytes that are no protobuf message. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** One field as it lies in a message: a number (varint, fixed) or bytes. */
export type WireValue = bigint | Uint8Array;

/** The fields of a message in order. Groups, which the API does not use, are refused. */
export function* readFields(bytes: Uint8Array): Generator<readonly [number: number, value: WireValue]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new WireError('unexpected EOF');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new WireError('integer overflow');
  };
  const take = (length: number): number => {
    const start = at;
    at += length;
    if (at > bytes.length) throw new WireError('unexpected EOF');
    return start;
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    switch (Number(tag & 7n)) {
      case 0:
        yield [number, varint()];
        break;
      case 1:
        yield [number, view.getBigUint64(take(8), true)];
        break;
      case 2: {
        const length = Number(varint());
        const start = take(length);
        yield [number, bytes.subarray(start, start + length)];
        break;
      }
      case 5:
        yield [number, BigInt(view.getUint32(take(4), true))];
        break;
      default:
        throw new WireError(`illegal tag ${tag} (wire type ${tag & 7n})`);
    }
  }
}
