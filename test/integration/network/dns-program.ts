// Cluster DNS with two Services, on port 53 of the namespace it is started in: `node dns-program.ts UPSTREAM`.
import type { EndpointSlice, Service } from '#api/gen/types';
import { RealClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { DnsServer } from '#network/dns/dns-server';
import { socketExchange } from '#network/dns/exchange';
import { Forwarder } from '#network/dns/forwarder';
import { DnsListener } from '#network/dns/listener';

const [ip = ''] = process.argv.slice(2);
const clock = new RealClock();

function service(name: string, clusterIP: string): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
  };
}

const web = service('web', '10.96.0.20');
const many = service('many', 'None');
const slice: EndpointSlice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'many-1', namespace: 'shop' },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
  endpoints: Array.from({ length: 100 }, (_, i) => ({ addresses: [`10.244.1.${i + 2}`], conditions: { ready: true } })),
};
const forwarder = new Forwarder({
  ...{ servers: () => [{ ip, port: 53 }], exchange: socketExchange(clock), clock, logger: silentLogger },
  random: new SeededRandom(1),
});
const server = new DnsServer({
  source: {
    service: (namespace, name) => (namespace === 'shop' ? { web, many }[name] : undefined),
    slices: (_namespace, name) => (name === 'many' ? [slice] : []),
    namespaceExists: (name) => name === 'shop',
    serviceByIp: (address) => (address === '10.96.0.20' ? web : undefined),
    endpointByIp: () => undefined,
  },
  clock,
  domain: 'cluster.local',
  upstream: forwarder,
});
const listener = new DnsListener({
  ...{ address: { ip: '0.0.0.0', port: 53 }, clock, logger: silentLogger },
  answer: (message, transport) => server.answer(message, transport),
});
await listener.start();
process.stdout.write('up\n');
