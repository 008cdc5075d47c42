import { readFileSync } from 'node:fs';
import type { Clock } from '#base/clock';
import { parseIpv4 } from '#base/ip';
import type { SocketAddress } from '#base/streams';

/** What resolver libraries use of the list. */
const maxServers = 3;
const rereadMs = 5_000;

/** The IPv4 servers of a resolv.conf, without those in `except`, which would ask us again. */
export function nameserversOf(text: string, except: readonly string[]): readonly SocketAddress[] {
  return text
    .split('\n')
    .flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? [])
    .filter((ip) => parseIpv4(ip) !== undefined && !except.includes(ip))
    .slice(0, maxServers)
    .map((ip) => ({ ip, port: 53 }));
}

/** Reads the file again when the last look is a while ago: networks change under a laptop. */
export function nameserversIn(path: string, except: readonly string[], clock: Clock): () => readonly SocketAddress[] {
  let servers: readonly SocketAddress[] = [];
  let readAtMs = -Infinity;
  return () => {
    if (clock.now() - readAtMs < rereadMs) return servers;
    readAtMs = clock.now();
    try {
      servers = nameserversOf(readFileSync(path, 'utf8'), except);
    } catch (error) {
      // A file that is being replaced is there again at the next look; one that never was means nobody to ask.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      servers = [];
    }
    return servers;
  };
}
