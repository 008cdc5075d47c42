import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import type { SocketAddress } from '#base/streams';
import { HttpsTransport } from '#client/https-transport';
import { SharedInformerFactory } from '#client/informer';
import { RestClient } from '#client/rest-client';
import { DnsServer } from '#network/dns/dns-server';
import { socketExchange } from '#network/dns/exchange';
import { Forwarder } from '#network/dns/forwarder';
import { InformerDnsSource } from '#network/dns/informer-source';
import { DnsListener } from '#network/dns/listener';
import { dnsMetrics } from '#network/dns/metrics';
import type { AgentProcess } from './process.ts';

const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';
const everywhere = '0.0.0.0';

/**
 * Cluster DNS in a pod of a real node: `dns --domain cluster.local --upstream 172.30.0.2:10053`, where the node's network agent passes
 * questions on to the servers of the node's own resolv.conf. Health on 8080, readiness on 8181, metrics on 9153, as CoreDNS.
 */
export const runDns: AgentProcess = async (life, { args, clock, random, logger }) => {
  const { domain, upstream } = readArguments(args);
  const client = new RestClient(inClusterTransport());
  const source = new InformerDnsSource(new SharedInformerFactory({ client, clock, random, logger }));
  const exchange = socketExchange(clock);
  const forwarder = new Forwarder({ servers: () => upstream, exchange, clock, random, logger });
  let ready = false;
  const forwarding = upstream.length > 0 ? { upstream: forwarder } : {};
  const server = new DnsServer({ source, clock, domain, synced: () => ready, ...forwarding });
  const listener = new DnsListener({
    ...{ address: { ip: everywhere, port: 53 }, clock, logger },
    answer: (message, transport) => server.answer(message, transport),
  });
  await listener.start();
  const pages = await Promise.all([
    servePage(8080, () => ({ status: 200, body: 'OK' })),
    servePage(8181, () => (ready ? { status: 200, body: 'OK' } : { status: 503, body: 'kubernetes' })),
    servePage(9153, () => ({ status: 200, body: dnsMetrics(server.answered) })),
  ]);
  life.onEnd(() => {
    listener.stop();
    source.stop();
    for (const page of pages) page.close();
  });
  await source.start(life);
  ready = true;
  logger.info('cluster DNS answers', { domain, upstream: upstream.map(({ ip, port }) => `${ip}:${port}`).join(' ') });
  await ended(life);
};

function readArguments(args: readonly string[]): { domain: string; upstream: readonly SocketAddress[] } {
  const { values } = parseArgs({
    args: [...args],
    options: { domain: { type: 'string', default: 'cluster.local' }, upstream: { type: 'string', multiple: true } },
  });
  const upstream = (values.upstream ?? []).map((text) => {
    const [ip = '', port = '53'] = text.split(':');
    return { ip, port: Number(port) };
  });
  return { domain: values.domain, upstream };
}

/** As the pod's service account (client-go `rest.InClusterConfig`, release 1.36). Throws outside a pod. */
function inClusterTransport(): HttpsTransport {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
  if (!host || !port) throw new Error('KUBERNETES_SERVICE_HOST is not set: cluster DNS runs in a pod');
  return new HttpsTransport({
    server: `https://${host}:${port}`,
    ca: readFileSync(join(serviceAccountFolder, 'ca.crt'), 'utf8'),
    credentials: { readToken: () => readFileSync(join(serviceAccountFolder, 'token'), 'utf8').trim() },
    userAgent: 'coredns drydock',
  });
}

function servePage(port: number, page: () => { readonly status: number; readonly body: string }): Promise<Server> {
  const server = createServer((_request, response) => {
    const { status, body } = page();
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, everywhere, () => resolve(server));
  });
}

function ended(life: Context): Promise<never> {
  return new Promise((_resolve, reject) => life.onEnd(() => reject(new CancelledError('cancelled'))));
}
