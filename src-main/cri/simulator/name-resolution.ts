import { decode, encode, type Packet } from 'dns-packet';
import type { Context } from '#base/context';
import { parseIpv4 } from '#base/ip';
import type { Random } from '#base/random';
import type { NetworkNamespace } from '#base/streams';
import type { DnsConfig } from '../cri.ts';
import type { FileTree } from './file-tree.ts';

/** The text of `/etc/resolv.conf` for a sandbox. */
export function dnsFile(dns: DnsConfig | undefined): string {
  if (!dns) return '';
  const lines = dns.searches.length > 0 ? [`search ${dns.searches.join(' ')}`] : [];
  for (const server of dns.servers) lines.push(`nameserver ${server}`);
  if (dns.options.length > 0) lines.push(`options ${dns.options.join(' ')}`);
  return lines.map((line) => `${line}\n`).join('');
}

interface ResolverConfig {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly ndots: number;
}

export type NameErrorCode = 'NXDOMAIN' | 'SERVFAIL' | 'TIMEOUT' | 'NOSERVER';

/** A name that could not be resolved. */
export class NameError extends Error {
  override readonly name = 'NameError';
  readonly code: NameErrorCode;
  constructor(code: NameErrorCode, host: string) {
    super(`${host}: ${code}`);
    this.code = code;
  }
}

/** Reads `/etc/resolv.conf` as the C library does. */
export function readResolverConfig(files: FileTree): ResolverConfig {
  const servers: string[] = [];
  let searches: string[] = [];
  let ndots = 1;
  const text = files.find('/etc/resolv.conf') ? files.readText('/etc/resolv.conf') : '';
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    if (keyword === 'nameserver' && values[0]) servers.push(values[0]);
    if (keyword === 'search') searches = values;
    if (keyword === 'options')
      ndots = Number(values.map((value) => /^ndots:(\d+)$/.exec(value)?.[1]).find(Boolean) ?? ndots);
  }
  return { servers, searches, ndots };
}

/** A stub resolver over real DNS packets: `/etc/hosts` first, then the search list by the rules of resolv.conf(5). */
export class StubResolver {
  readonly #network: NetworkNamespace;
  readonly #files: FileTree;
  readonly #random: Random;

  constructor(network: NetworkNamespace, files: FileTree, random: Random) {
    this.#network = network;
    this.#files = files;
    this.#random = random;
  }

  /** The IPv4 addresses of `host`; an address is its own. Throws {@link NameError}. */
  async addresses(context: Context, host: string): Promise<readonly string[]> {
    if (parseIpv4(host) !== undefined && /^[\d.]+$/.test(host)) return [host];
    const fixed = this.#fromHostsFile(host);
    if (fixed) return [fixed];
    let failure: NameErrorCode = 'NXDOMAIN';
    for (const name of this.candidates(host)) {
      const packet = await this.query(context, name, 'A');
      const found = (packet.answers ?? []).flatMap((answer) => (answer.type === 'A' ? [answer.data] : []));
      if (found.length > 0) return found;
      if (packet.rcode === 'SERVFAIL') failure = 'SERVFAIL';
    }
    throw new NameError(failure, host);
  }

  /** The names to ask for, in order. */
  candidates(host: string): readonly string[] {
    if (host.endsWith('.')) return [host.slice(0, -1)];
    const { searches, ndots } = readResolverConfig(this.#files);
    const searched = searches.map((domain) => `${host}.${domain}`);
    return host.split('.').length - 1 >= ndots ? [host, ...searched] : [...searched, host];
  }

  /** One question to the first name server that answers. Throws {@link NameError} TIMEOUT or NOSERVER. */
  async query(
    context: Context,
    name: string,
    type: 'A' | 'AAAA' | 'SRV' | 'PTR' | 'CNAME' | 'TXT',
    server?: string,
  ): Promise<Packet & { rcode?: string }> {
    const { servers } = readResolverConfig(this.#files);
    const asked = server ? [server] : servers;
    if (asked.length === 0) throw new NameError('NOSERVER', name);
    const payload = encode({
      type: 'query',
      id: this.#random.integer(65536),
      flags: 0x100,
      questions: [{ type, name, class: 'IN' }],
    });
    for (const ip of asked) {
      const answer = await this.#network
        .exchangeDatagram(context, { ip, port: 53 }, payload)
        .catch((error: unknown) => {
          context.check();
          if (error instanceof Error && error.name === 'DialError') return undefined;
          throw error;
        });
      if (answer) return decode(Buffer.from(answer)) as Packet & { rcode?: string };
    }
    throw new NameError('TIMEOUT', name);
  }

  #fromHostsFile(host: string): string | undefined {
    if (!this.#files.find('/etc/hosts')) return host === 'localhost' ? '127.0.0.1' : undefined;
    for (const line of this.#files.readText('/etc/hosts').split('\n')) {
      const [ip = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
      if (names.includes(host) && ip.includes('.')) return ip;
    }
    return host === 'localhost' ? '127.0.0.1' : undefined;
  }
}
