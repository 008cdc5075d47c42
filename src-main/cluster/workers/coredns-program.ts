import type { Clock } from '#base/clock';
import { CancelledError } from '#base/errors';
import type { Process, Program } from '#cri/simulator/process';
import type { InformerFactory } from '#client/client';
import { DnsServer } from '#network/dns/dns-server';
import { InformerDnsSource } from '#network/dns/informer-source';
import { serveHttp } from './tiny-http.ts';

export const clusterDomain = 'cluster.local';
/** What the simulated binary calls itself; the behaviour follows CoreDNS' kubernetes plugin of that release. */
export const corednsVersion = '1.13.1';

/**
 * The `coredns` binary of the simulator: cluster DNS on port 53 of its pod, health on 8080, readiness on 8181, metrics on
 * 9153. `informers` makes caches that speak as the pod's service account.
 */
export function corednsProgram(clock: Clock, informers: () => InformerFactory): Program {
  return async (process) => {
    const { network } = process.host;
    const source = new InformerDnsSource(informers());
    const server = new DnsServer({ source, clock, domain: clusterDomain });
    let ready = false;
    const registrations = [
      network.listenDatagram(53, (payload, _from, reply) => reply(server.answer(payload))),
      network.listen(8080, (socket) => void serveHttp(socket, () => ({ status: 200, body: 'OK' }))),
      network.listen(
        8181,
        (socket) =>
          void serveHttp(socket, () => (ready ? { status: 200, body: 'OK' } : { status: 503, body: 'kubernetes' })),
      ),
      network.listen(9153, (socket) => void serveHttp(socket, () => ({ status: 200, body: metricsOf(server) }))),
    ];
    try {
      await process.print(`.:53\nCoreDNS-${corednsVersion}\nlinux/amd64, drydock simulator\n`);
      await source.start(process.context);
      ready = true;
      await terminated(process);
      await process.print('[INFO] SIGTERM: Shutting down servers then terminating\n');
      return 0;
    } finally {
      for (const registration of registrations) registration.dispose();
      source.stop();
    }
  };
}

/** Resolves on SIGTERM; rejects when the process is killed. */
function terminated(process: Process): Promise<void> {
  return new Promise((resolve, reject) => {
    process.onSignal('TERM', resolve);
    process.context.onEnd(() => reject(new CancelledError('cancelled')));
  });
}

function metricsOf(server: DnsServer): string {
  const lines = [
    '# HELP coredns_dns_responses_total Counter of response status codes.',
    '# TYPE coredns_dns_responses_total counter',
  ];
  const names: Readonly<Record<number, string>> = {
    0: 'NOERROR',
    1: 'FORMERR',
    2: 'SERVFAIL',
    3: 'NXDOMAIN',
    5: 'REFUSED',
  };
  for (const [code, count] of server.answered)
    lines.push(`coredns_dns_responses_total{server="dns://:53",zone=".",rcode="${names[code] ?? code}"} ${count}`);
  return `${lines.join('\n')}\n`;
}
