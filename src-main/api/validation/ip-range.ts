import { parseIpv4 } from '#base/ip';

/** A range of addresses of either family: its first address, and the bits that are common to all. */
export interface IpRange {
  readonly first: bigint;
  readonly prefix: number;
  /** 32 or 128. */
  readonly width: number;
}

function parseIpv6(text: string): bigint | undefined {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const tail = dotted ? parseIpv4(dotted[2] ?? '') : undefined;
  if (dotted && tail === undefined) return undefined;
  const whole =
    tail === undefined ? text : `${dotted?.[1]}${(tail >>> 16).toString(16)}:${(tail & 0xffff).toString(16)}`;
  const halves = whole.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], rest = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - rest.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  let value = 0n;
  for (const group of [...head, ...Array<string>(halves.length === 2 ? missing : 0).fill('0'), ...rest]) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
    value = value * 65_536n + BigInt(`0x${group}`);
  }
  return value;
}

/** An address of either family; undefined when `text` is none. */
export function parseIp(text: string): { readonly value: bigint; readonly width: number } | undefined {
  if (!text.includes(':')) {
    const value = parseIpv4(text);
    return value === undefined ? undefined : { value: BigInt(value), width: 32 };
  }
  const value = parseIpv6(text);
  return value === undefined ? undefined : { value, width: 128 };
}

/** `10.0.0.0/8` or `fd00::/64`; host bits are cleared. Undefined when `text` is no CIDR. */
export function parseIpRange(text: string): IpRange | undefined {
  const [address = '', length = '', ...more] = text.split('/');
  const ip = parseIp(address);
  if (!ip || more.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > ip.width) return undefined;
  const prefix = Number(length);
  const hostBits = BigInt(ip.width - prefix);
  return { first: (ip.value >> hostBits) << hostBits, prefix, width: ip.width };
}

/** Whether `inner` lies in `outer` and is smaller. */
export function isStrictSubset(inner: IpRange, outer: IpRange): boolean {
  if (inner.width !== outer.width || inner.prefix <= outer.prefix) return false;
  const hostBits = BigInt(outer.width - outer.prefix);
  return inner.first >> hostBits === outer.first >> hostBits;
}
