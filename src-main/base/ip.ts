/** IPv4 arithmetic on dotted text. IPv6 is out of scope until a node driver offers it (see the fidelity ledger). */

export interface Ipv4Block {
  /** First address as an unsigned 32 bit number. */
  readonly base: number;
  /** Length of the prefix in bits, 0 to 32. */
  readonly prefix: number;
}

/** The address as an unsigned 32 bit number; undefined when `text` is none. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

/** Undefined when `text` is no IPv4 CIDR. Host bits are cleared. */
export function parseCidr(text: string): Ipv4Block | undefined {
  const [address = '', length = '', ...rest] = text.split('/');
  const value = parseIpv4(address);
  if (value === undefined || rest.length > 0 || !/^\d{1,2}$/.test(length) || Number(length) > 32) return undefined;
  const prefix = Number(length);
  return { base: prefix === 0 ? 0 : (value & (-1 << (32 - prefix))) >>> 0, prefix };
}

export function formatCidr(block: Ipv4Block): string {
  return `${formatIpv4(block.base)}/${block.prefix}`;
}

export function cidrSize(block: Ipv4Block): number {
  return 2 ** (32 - block.prefix);
}
