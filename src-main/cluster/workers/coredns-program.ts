import type { Clock } from '#base/clock';
import { CancelledError } from '#base/errors';
import type { Socket } from '#base/streams';
import type { Process, Program } from '#cri/simulator/process';
import type { InformerFactory } from '#client/client';
import { DnsServer } from '#network/dns/dns-server';
import { serveFrames } from '#network/dns/frames';
import { InformerDnsSource } from '#network/dns/informer-source';
import { dnsMetrics } from '#network/dns/metrics';
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
    let ready = false;
    const server = new DnsServer({ source, clock, domain: clusterDomain, synced: () => ready });
    const registrations = [
      network.listenDatagram(53, (payload, _from, reply) => void server.answer(payload).then(reply)),
      network.listen(53, (socket) => void serveStream(socket, server)),
      network.listen(8080, (socket) => void serveHttp(socket, () => ({ status: 200, body: 'OK' }))),
      network.listen(
        8181,
        (socket) =>
          void serveHttp(socket, () => (ready ? { status: 200, body: 'OK' } : { status: 503, body: 'kubernetes' })),
      ),
      network.listen(
        9153,
        (socket) => void serveHttp(socket, () => ({ status: 200, body: dnsMetrics(server.answered) })),
      ),
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

/** DNS by TCP: what does not fit a datagram. */
async function serveStream(socket: Socket, server: DnsServer): Promise<void> {
  try {
    const write = (chunk: Uint8Array): Promise<void> => socket.write(chunk);
    await serveFrames(socket.incoming, write, (message) => server.answer(message, 'tcp'));
    socket.end();
  } catch (error) {
    socket.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}
