import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { cidrSize, formatCidr, parseCidr, type Ipv4Block } from '#base/ip';
import { MachineError } from '../errors.ts';

/** Labs get /24 blocks from here: private, and outside of what Docker gives out itself and home routers like. */
const pool: Ipv4Block = { base: 0x0a_d7_00_00, prefix: 16 };

export function overlaps(a: Ipv4Block, b: Ipv4Block): boolean {
  return a.base < b.base + cidrSize(b) && b.base < a.base + cidrSize(a);
}

/** The first free /24 of 10.215.0.0/16. Throws MachineError ADDRESS_CLASH when none is. */
export function chooseSubnet(taken: readonly Ipv4Block[]): string {
  for (let index = 0; index < 256; index++) {
    const candidate: Ipv4Block = { base: pool.base + index * 256, prefix: 24 };
    if (!taken.some((block) => overlaps(candidate, block))) return formatCidr(candidate);
  }
  throw new MachineError(
    'ADDRESS_CLASH',
    `no /24 of ${formatCidr(pool)} is free for the lab's network: name a free subnet for the lab`,
  );
}

/** What this host reaches over its own interfaces and routes, without the default route and blackholes. */
export function hostBlocks(routes: string = readRoutes()): readonly Ipv4Block[] {
  const interfaces = Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).flatMap((address) => (address.family === 'IPv4' ? (parseCidr(address.cidr ?? '') ?? []) : [])),
  );
  return [...interfaces, ...parseRoutes(routes)];
}

/** The blocks of `/proc/net/route`, whose addresses are little-endian hexadecimal. */
export function parseRoutes(text: string): readonly Ipv4Block[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const fields = line.split('\t');
      const base = littleEndian(fields[1]);
      const mask = littleEndian(fields[7]);
      if (base === undefined || mask === undefined || mask === 0) return [];
      return [{ base, prefix: 32 - Math.log2(2 ** 32 - mask) }];
    });
}

function littleEndian(hex: string | undefined): number | undefined {
  const bytes = /^([0-9A-F]{2})([0-9A-F]{2})([0-9A-F]{2})([0-9A-F]{2})$/i.exec(hex ?? '');
  return bytes ? parseInt(`${bytes[4]}${bytes[3]}${bytes[2]}${bytes[1]}`, 16) : undefined;
}

function readRoutes(): string {
  try {
    return readFileSync('/proc/net/route', 'latin1');
  } catch {
    // Not Linux: the engine runs in a machine of its own and the interfaces are all we know.
    return '';
  }
}
