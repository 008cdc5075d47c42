import type { EndpointSlice } from '#api/gen/types';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { DialError, type SocketAddress } from '#base/streams';
import type { ResourceClient } from '#client/client';
import { knowsAddressOf } from '#network/dns/stream-query';
import { dnsServiceIp } from './addresses.ts';
import type { Worker } from './workers/worker.ts';
import { clusterDomain } from './workers/coredns-program.ts';

/** A name that is there from the first moment on. */
const knownName = `kubernetes.default.svc.${clusterDomain}`;
const lookEveryMs = 250;
const dnsTimeoutMs = 60_000;
/** One question may take as long, the connection included: three tries of TCP. */
const answerTimeoutMs = 5_000;
const dnsService: SocketAddress = { ip: dnsServiceIp, port: 53 };

export type DnsClient = Pick<Worker, 'config' | 'dial'>;

export interface DnsReadinessOptions {
  readonly slices: ResourceClient<EndpointSlice>;
  readonly clock: Clock;
}

/**
 * Waits until cluster DNS answers at its Service's address on each of `workers`, and each of its endpoints there does by itself. The
 * nodes are asked, because the API may be wrong for a while: of a node that was down it still tells what was true before, with
 * endpoints that nobody answers at, and rules are written after the endpoints they lead to. Resolves with the names of those where
 * it did not within a minute: a person may have taken DNS away, or be practising its repair, and wants the lab all the same.
 */
export async function untilDnsAnswers(
  context: Context,
  workers: readonly DnsClient[],
  options: DnsReadinessOptions,
): Promise<readonly string[]> {
  const limit = context.withTimeout(options.clock, dnsTimeoutMs);
  const silent = new Set(workers.map(({ config }) => config.name));
  const wait = async (worker: DnsClient): Promise<void> => {
    while (!(await answersOn(limit.context, worker, options))) await options.clock.sleep(limit.context, lookEveryMs);
    silent.delete(worker.config.name);
  };
  try {
    await Promise.all(workers.map(wait));
  } catch (error) {
    if (context.ended || !(error instanceof CancelledError)) throw error;
  } finally {
    limit.cancel();
  }
  return [...silent];
}

async function answersOn(context: Context, worker: DnsClient, options: DnsReadinessOptions): Promise<boolean> {
  const labelSelector = 'kubernetes.io/service-name=kube-dns';
  const { items } = await options.slices.list(context, { namespace: 'kube-system', labelSelector });
  const ready = items.flatMap(readyEndpoints);
  // Before there is any, asking would only cost the node a process.
  if (ready.length === 0) return false;
  for (const { nodeName, address } of ready)
    if (nodeName === worker.config.name && !(await answers(context, worker, address, options.clock))) return false;
  return answers(context, worker, dnsService, options.clock);
}

function readyEndpoints({ endpoints = [], ports = [] }: EndpointSlice) {
  const port = ports.find((one) => one.name === 'dns-tcp')?.port;
  if (port === undefined) return [];
  return endpoints
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ nodeName, addresses }) => addresses.map((ip) => ({ nodeName, address: { ip, port } })));
}

async function answers(context: Context, worker: DnsClient, address: SocketAddress, clock: Clock): Promise<boolean> {
  const limit = context.withTimeout(clock, answerTimeoutMs);
  try {
    const stream = await worker.dial(limit.context, address);
    const end = limit.context.onEnd(() => stream.destroy());
    try {
      return await knowsAddressOf(stream, knownName);
    } finally {
      end.dispose();
      stream.destroy();
    }
  } catch (error) {
    context.check();
    // A machine without a default route has none to cluster IPs; its pods need none.
    return error instanceof DialError && error.code === 'ENETUNREACH' && address === dnsService;
  } finally {
    limit.cancel();
  }
}
