/** CRC-32C (Castagnoli, reflected), which Node does not have: etcd's checksum of its key-values. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  return crc;
});

/** The checksum of what `crc` stands for (0: nothing) followed by `bytes`. */
export function crc32c(bytes: Uint8Array, crc = 0): number {
  let state = ~crc;
  for (let i = 0; i < bytes.length; i++) state = (state >>> 8) ^ (table[(state ^ (bytes[i] ?? 0)) & 0xff] ?? 0);
  return ~state >>> 0;
}
