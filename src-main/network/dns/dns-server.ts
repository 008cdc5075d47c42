import dnsPacket, { type Answer, type Packet, type Question } from 'dns-packet';
import type { Clock } from '#base/clock';
import type { DnsTransport } from './exchange.ts';
import {
  addressOfReverseName,
  resolveClusterName,
  resolveReverse,
  type DnsRecord,
  type DnsSource,
  type Resolution,
} from './records.ts';
import { emptyReply, responseCode, truncate, udpLimit } from './wire.ts';

/** Seconds a client may keep an answer: CoreDNS' default in Kubernetes. */
const ttlSeconds = 30;
/** Response codes of RFC 1035. */
const noError = 0;
const formatError = 1;
const serverFailure = 2;
const nameError = 3;
const refused = 5;

/** Who is asked about names that are not the cluster's. Rejects when nobody answers. */
export interface Upstream {
  forward(query: Uint8Array, transport: DnsTransport): Promise<Uint8Array>;
}

export interface DnsServerOptions {
  readonly source: DnsSource;
  readonly clock: Clock;
  /** For example `cluster.local`. */
  readonly domain: string;
  /** Absent: names outside the cluster are refused. */
  readonly upstream?: Upstream;
  /**
   * Whether `source` knows the cluster by now. Until then names of the cluster get SERVFAIL, as of CoreDNS: "there is no such name"
   * would be believed, and kept. Absent: it always does.
   */
  readonly synced?: () => boolean;
}

/** Cluster DNS as a function from packet to packet (what CoreDNS' kubernetes plugin answers). No I/O of its own. */
export class DnsServer {
  readonly #options: DnsServerOptions;
  #turn = 0;
  /** Queries answered, by response code. */
  readonly answered = new Map<number, number>();

  constructor(options: DnsServerOptions) {
    this.#options = options;
  }

  /**
   * Answers one DNS message; never rejects. A message that is none gets an answer with FORMERR, as its sender may be waiting; an
   * answer too large for a datagram says so, and the client asks again by TCP.
   */
  async answer(message: Uint8Array, transport: DnsTransport = 'udp'): Promise<Uint8Array> {
    const answer = await this.#answer(message, transport);
    const code = responseCode(answer);
    this.answered.set(code, (this.answered.get(code) ?? 0) + 1);
    return answer;
  }

  async #answer(message: Uint8Array, transport: DnsTransport): Promise<Uint8Array> {
    let query: Packet;
    let limit: number;
    try {
      query = dnsPacket.decode(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
      limit = transport === 'udp' ? udpLimit(message) : 0xffff;
    } catch {
      const id = message.byteLength >= 2 ? ((message[0] ?? 0) << 8) | (message[1] ?? 0) : 0;
      return encode({ id, questions: [] }, formatError, [], [], []);
    }
    const question = query.questions?.[0];
    if (!question) return encode(query, formatError, [], [], []);
    const resolution = this.#resolve(question);
    if (!resolution) return this.#forward(query, message, transport, limit);
    if (this.#options.synced?.() === false) return encode(query, serverFailure, [], [], []);
    const outside = this.#targetOutside(resolution, question.type);
    const more = outside === undefined ? [] : await this.#lookUp(outside, question.type, transport);
    const code = resolution.exists ? noError : nameError;
    const answers = [...this.#rotate(resolution.answers).map(toAnswer), ...more];
    const authority = answers.length === 0 ? [this.#soa()] : [];
    return fit(encode(query, code, answers, authority, resolution.additional.map(toAnswer)), limit);
  }

  async #forward(query: Packet, message: Uint8Array, transport: DnsTransport, limit: number): Promise<Uint8Array> {
    const { upstream } = this.#options;
    if (!upstream) return encode(query, refused, [], [], []);
    try {
      const answer = await upstream.forward(message, transport);
      return fit(answer, limit);
    } catch {
      // The reason is in the upstream's log; the client is told as the protocol says.
      return emptyReply(message, serverFailure);
    }
  }

  /** What the target of an ExternalName outside the cluster resolves to: nothing when nobody can say. */
  async #lookUp(name: string, type: Question['type'], transport: DnsTransport): Promise<Answer[]> {
    const { upstream } = this.#options;
    if (!upstream) return [];
    const flags = dnsPacket.RECURSION_DESIRED;
    const query = dnsPacket.encode({ type: 'query', id: 0, flags, questions: [{ name, type, class: 'IN' }] });
    try {
      return dnsPacket.decode(Buffer.from(await upstream.forward(query, transport))).answers ?? [];
    } catch {
      // As above: the CNAME alone is a true answer, and the client may know better whom to ask.
      return [];
    }
  }

  #targetOutside(resolution: Resolution, type: string): string | undefined {
    const [first] = resolution.answers;
    if (first?.type !== 'CNAME' || (type !== 'A' && type !== 'AAAA')) return undefined;
    const target = first.target.toLowerCase().replace(/\.$/, '');
    return target.endsWith(`.${this.#options.domain}`) ? undefined : target;
  }

  /** Addresses take turns at being first (CoreDNS' `loadbalance`); a CNAME stays before what it points at. */
  #rotate(answers: readonly DnsRecord[]): readonly DnsRecord[] {
    if (answers.length < 2 || answers.some((one) => one.type === 'CNAME')) return answers;
    const first = this.#turn++ % answers.length;
    return [...answers.slice(first), ...answers.slice(0, first)];
  }

  /** Undefined for names that are not the cluster's to know. */
  #resolve(question: Question): Resolution | undefined {
    const { source, domain, upstream } = this.#options;
    const name = question.name.toLowerCase().replace(/\.$/, '');
    const reverse = addressOfReverseName(name);
    if (reverse) {
      const resolution = resolveReverse(source, domain, name, reverse);
      return resolution.exists || !upstream ? resolution : undefined;
    }
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
}

function encode(
  query: Packet,
  code: number,
  answers: Answer[],
  authorities: Answer[],
  additionals: Answer[],
): Uint8Array {
  const flags =
    dnsPacket.AUTHORITATIVE_ANSWER |
    ((query.flags ?? 0) & dnsPacket.RECURSION_DESIRED) |
    dnsPacket.RECURSION_AVAILABLE |
    code;
  const opt = (query.additionals ?? []).filter((one) => one.type === 'OPT').map(() => optRecord);
  return dnsPacket.encode({
    type: 'response',
    id: query.id ?? 0,
    flags,
    questions: query.questions ?? [],
    answers,
    authorities,
    additionals: [...additionals, ...opt],
  });
}

/** Says that we speak EDNS0 too, to whoever does. */
const optRecord: Answer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

function fit(answer: Uint8Array, limit: number): Uint8Array {
  return answer.byteLength > limit ? truncate(answer, limit) : answer;
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
