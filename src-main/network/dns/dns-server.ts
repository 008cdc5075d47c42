import dnsPacket, { type Answer, type Packet, type Question } from 'dns-packet';
import type { Clock } from '#base/clock';
import {
  addressOfReverseName,
  resolveClusterName,
  resolveReverse,
  type DnsRecord,
  type DnsSource,
  type Resolution,
} from './records.ts';

/** Seconds a client may keep an answer: CoreDNS' default in Kubernetes. */
const ttlSeconds = 30;
/** Response codes of RFC 1035. */
const noError = 0;
const formatError = 1;
const nameError = 3;
const refused = 5;

export interface DnsServerOptions {
  readonly source: DnsSource;
  readonly clock: Clock;
  /** For example `cluster.local`. */
  readonly domain: string;
}

/** Cluster DNS as a function from packet to packet (what CoreDNS' kubernetes plugin answers). No I/O of its own. */
export class DnsServer {
  readonly #options: DnsServerOptions;
  /** Queries answered, by response code. */
  readonly answered = new Map<number, number>();

  constructor(options: DnsServerOptions) {
    this.#options = options;
  }

  /** Answers one DNS message. A message that is none gets an answer with FORMERR, as its sender may be waiting. */
  answer(message: Uint8Array): Uint8Array {
    let query: Packet;
    try {
      query = dnsPacket.decode(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
    } catch {
      const id = message.byteLength >= 2 ? ((message[0] ?? 0) << 8) | (message[1] ?? 0) : 0;
      return this.#encode({ id, questions: [] }, formatError, [], [], []);
    }
    const question = query.questions?.[0];
    if (!question) return this.#encode(query, formatError, [], [], []);
    const resolution = this.#resolve(question);
    if (!resolution) return this.#encode(query, refused, [], [], []);
    const code = resolution.exists ? noError : nameError;
    const authority = resolution.answers.length === 0 ? [this.#soa()] : [];
    return this.#encode(query, code, resolution.answers.map(toAnswer), authority, resolution.additional.map(toAnswer));
  }

  /** Undefined for names outside the cluster: there is nobody to ask. */
  #resolve(question: Question): Resolution | undefined {
    const { source, domain } = this.#options;
    const name = question.name.toLowerCase().replace(/\.$/, '');
    const reverse = addressOfReverseName(name);
    if (reverse) return resolveReverse(source, domain, name, reverse);
    if (name !== domain && !name.endsWith(`.${domain}`)) return undefined;
    const labels = name === domain ? [] : name.slice(0, -domain.length - 1).split('.');
    return this.#chase(resolveClusterName(source, domain, labels, question.type), question.type);
  }

  /** Adds what a CNAME into the cluster points at. */
  #chase(resolution: Resolution, type: string): Resolution {
    const [first] = resolution.answers;
    if (first?.type !== 'CNAME' || type === 'CNAME') return resolution;
    const { source, domain } = this.#options;
    const target = first.target.toLowerCase().replace(/\.$/, '');
    if (!target.endsWith(`.${domain}`)) return resolution;
    const next = resolveClusterName(source, domain, target.slice(0, -domain.length - 1).split('.'), type);
    return { ...resolution, answers: [...resolution.answers, ...next.answers.filter((one) => one.type !== 'CNAME')] };
  }

  #soa(): Answer {
    const { domain, clock } = this.#options;
    return {
      type: 'SOA',
      name: domain,
      ttl: ttlSeconds,
      data: {
        mname: `ns.dns.${domain}`,
        rname: `hostmaster.${domain}`,
        serial: Math.floor(clock.now() / 1000) >>> 0,
        refresh: 7200,
        retry: 1800,
        expire: 86400,
        minimum: ttlSeconds,
      },
    };
  }

  #encode(query: Packet, code: number, answers: Answer[], authorities: Answer[], additionals: Answer[]): Uint8Array {
    this.answered.set(code, (this.answered.get(code) ?? 0) + 1);
    const flags =
      dnsPacket.AUTHORITATIVE_ANSWER |
      ((query.flags ?? 0) & dnsPacket.RECURSION_DESIRED) |
      dnsPacket.RECURSION_AVAILABLE |
      code;
    return dnsPacket.encode({
      type: 'response',
      id: query.id ?? 0,
      flags,
      questions: query.questions ?? [],
      answers,
      authorities,
      additionals,
    });
  }
}

function toAnswer(record: DnsRecord): Answer {
  switch (record.type) {
    case 'A':
      return { type: 'A', name: record.name, ttl: ttlSeconds, data: record.address };
    case 'SRV':
      return {
        type: 'SRV',
        name: record.name,
        ttl: ttlSeconds,
        data: { priority: 0, weight: 100, port: record.port, target: record.target },
      };
    default:
      return { type: record.type, name: record.name, ttl: ttlSeconds, data: record.target };
  }
}
