import type { Logger } from '#base/logger';
import { messageOf } from '#base/errors';
import type { SocketAddress } from '#base/streams';
import type { ServiceRule } from '../service-rules.ts';
import type { RunCommand } from './command.ts';

/** One translated UDP conversation as conntrack lists it. */
export interface UdpFlow {
  readonly client: SocketAddress;
  /** Whom the client wrote to. */
  readonly target: SocketAddress;
  /** Who answers, or would. */
  readonly backend: SocketAddress;
}

const flowPattern =
  /src=([\d.]+) dst=([\d.]+) sport=(\d+) dport=(\d+) .*?src=([\d.]+) dst=[\d.]+ sport=(\d+) dport=\d+/;

/** A line of `conntrack -L -p udp`; undefined for any other line. */
export function parseFlow(line: string): UdpFlow | undefined {
  const found = flowPattern.exec(line);
  if (!found) return undefined;
  const [, client = '', target = '', clientPort, targetPort, backend = '', backendPort] = found;
  return {
    client: { ip: client, port: Number(clientPort) },
    target: { ip: target, port: Number(targetPort) },
    backend: { ip: backend, port: Number(backendPort) },
  };
}

/**
 * A UDP client that keeps its port keeps its conversation, and with it the backend that was chosen first, for as long as it
 * writes. When that backend is gone, or none was there when the client began, only deleting the conversation from the kernel's
 * table helps (pkg/proxy/conntrack of kube-proxy, release 1.36).
 */
export class UdpConntrack {
  readonly #run: RunCommand;
  readonly #logger: Logger;
  #saidMissing = false;

  constructor(run: RunCommand, logger: Logger) {
    this.#run = run;
    this.#logger = logger;
  }

  /** Never throws: rules are written, and what is left here times out by itself when the client falls silent. */
  async clean(before: readonly ServiceRule[], after: readonly ServiceRule[]): Promise<void> {
    const changed = changedUdpRules(before, after);
    if (changed.length === 0) return;
    try {
      const { stdout } = await this.#run('conntrack', ['-L', '-p', 'udp']);
      const flows = stdout.split('\n').flatMap((line) => parseFlow(line) ?? []);
      for (const args of deletions(staleFlows(flows, changed))) await this.#run('conntrack', args);
      this.#saidMissing = false;
    } catch (error) {
      if (!this.#saidMissing) this.#logger.warn('stale UDP conversations stay', { error: messageOf(error) });
      this.#saidMissing = true;
    }
  }
}

/** Rules as they are now; those that are gone come without backends. */
export function changedUdpRules(before: readonly ServiceRule[], after: readonly ServiceRule[]): readonly ServiceRule[] {
  const was = new Map(before.filter(isUdp).map((rule) => [keyOf(rule), rule]));
  const changed = after.filter((rule) => isUdp(rule) && was.get(keyOf(rule)) !== rule);
  for (const rule of after) if (isUdp(rule)) was.delete(keyOf(rule));
  const gone = [...was.values()].map((rule) => ({ ...rule, cluster: [], internal: [], external: [] }));
  // Those that are gone come first: an address that another service took over is judged by the new one.
  return [...gone, ...changed];
}

/** Conversations with an address of `rules` whose backend is none of theirs any more. */
export function staleFlows(flows: readonly UdpFlow[], rules: readonly ServiceRule[]): readonly UdpFlow[] {
  const byAddress = new Map<string, ReadonlySet<string>>();
  const byNodePort = new Map<number, ReadonlySet<string>>();
  for (const rule of rules) {
    const backends = new Set([...rule.cluster, ...rule.internal, ...rule.external].map(text));
    for (const ip of rule.addresses) byAddress.set(text({ ip, port: rule.port }), backends);
    if (rule.nodePort !== undefined) byNodePort.set(rule.nodePort, backends);
  }
  return flows.filter((flow) => {
    const ofAddress = byAddress.get(text(flow.target));
    if (ofAddress) return !ofAddress.has(text(flow.backend));
    const ofPort = byNodePort.get(flow.target.port);
    return ofPort !== undefined && !ofPort.has(text(flow.backend));
  });
}

/** One call of conntrack for all clients of one target and backend. */
function deletions(flows: readonly UdpFlow[]): readonly (readonly string[])[] {
  const distinct = new Map(flows.map((flow) => [`${text(flow.target)} ${text(flow.backend)}`, flow]));
  return [...distinct.values()].map(({ target, backend }) => [
    ...['-D', '-p', 'udp', '--orig-dst', target.ip, '--orig-port-dst', String(target.port)],
    ...['--reply-src', backend.ip, '--reply-port-src', String(backend.port)],
  ]);
}

function isUdp(rule: ServiceRule): boolean {
  return rule.protocol === 'UDP';
}

function keyOf(rule: ServiceRule): string {
  return `${rule.service}/${rule.portName}`;
}

function text({ ip, port }: SocketAddress): string {
  return `${ip}:${port}`;
}
