import dnsPacket, { type Packet, type RecordType } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import type { EndpointSlice, Service, ServiceSpec } from '#api/gen/types';
import { SteppedClock } from '#base/clock';
import { DnsServer } from './dns-server.ts';
import type { DnsSource } from './records.ts';

function service(name: string, spec: ServiceSpec): Service {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec };
}

const services = new Map<string, Service>([
  [
    'web',
    service('web', {
      type: 'ClusterIP',
      clusterIP: '10.96.0.20',
      clusterIPs: ['10.96.0.20'],
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    }),
  ],
  [
    'db',
    service('db', { type: 'ClusterIP', clusterIP: 'None', ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }] }),
  ],
  ['alias', service('alias', { type: 'ExternalName', externalName: 'web.shop.svc.cluster.local' })],
]);
const slice: EndpointSlice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'db-1', namespace: 'shop' },
  addressType: 'IPv4',
  ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }],
  endpoints: [
    { addresses: ['10.244.1.5'], hostname: 'db-0', conditions: { ready: true } },
    { addresses: ['10.244.2.5'], conditions: { ready: true } },
    { addresses: ['10.244.2.6'], conditions: { ready: false } },
  ],
};
const source: DnsSource = {
  service: (namespace, name) => (namespace === 'shop' ? services.get(name) : undefined),
  slices: (_namespace, name) => (name === 'db' ? [slice] : []),
  namespaceExists: (name) => name === 'shop',
  serviceByIp: (ip) => (ip === '10.96.0.20' ? services.get('web') : undefined),
  endpointByIp: (ip) =>
    ip === '10.244.1.5' && slice.endpoints?.[0]
      ? { namespace: 'shop', service: 'db', endpoint: slice.endpoints[0] }
      : undefined,
};

async function ask(name: string, type: RecordType, synced = true): Promise<Packet & { rcode?: string }> {
  const server = new DnsServer({ source, clock: new SteppedClock(), domain: 'cluster.local', synced: () => synced });
  const message = dnsPacket.encode({
    type: 'query',
    id: 77,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type, name }],
  });
  return dnsPacket.decode(Buffer.from(await server.answer(message)));
}

const values = (packet: Packet): unknown[] =>
  (packet.answers ?? []).map((one) => ('data' in one ? one.data : undefined));

describe('DnsServer', () => {
  it('denies no name of a cluster that it does not know yet', async () => {
    const packet = await ask('web.shop.svc.cluster.local', 'A', false);
    expect(packet).toMatchObject({ id: 77, type: 'response', rcode: 'SERVFAIL', answers: [] });
    expect(await ask('example.org', 'A', false)).toMatchObject({ rcode: 'REFUSED' });
  });

  it('answers a service with its cluster IP, with the question and id repeated', async () => {
    const packet = await ask('web.shop.svc.cluster.local', 'A');
    expect(packet).toMatchObject({
      id: 77,
      type: 'response',
      rcode: 'NOERROR',
      questions: [{ name: 'web.shop.svc.cluster.local' }],
    });
    expect(values(packet)).toEqual(['10.96.0.20']);
  });

  it('has no AAAA record for it, which is not an error', async () => {
    expect(await ask('WEB.shop.svc.cluster.local', 'AAAA')).toMatchObject({
      rcode: 'NOERROR',
      answers: [],
      authorities: [{ type: 'SOA' }],
    });
  });

  it('answers a headless service with its ready endpoints and their own names', async () => {
    expect(values(await ask('db.shop.svc.cluster.local', 'A'))).toEqual(['10.244.1.5', '10.244.2.5']);
    expect(values(await ask('db-0.db.shop.svc.cluster.local', 'A'))).toEqual(['10.244.1.5']);
    expect(values(await ask('10-244-2-5.db.shop.svc.cluster.local', 'A'))).toEqual(['10.244.2.5']);
  });

  it('answers SRV for named ports with target addresses beside', async () => {
    const packet = await ask('_http._tcp.web.shop.svc.cluster.local', 'SRV');
    expect(values(packet)).toEqual([{ priority: 0, weight: 100, port: 80, target: 'web.shop.svc.cluster.local' }]);
    expect(packet.additionals).toMatchObject([{ type: 'A', data: '10.96.0.20' }]);
    expect(values(await ask('_sql._tcp.db.shop.svc.cluster.local', 'SRV'))).toMatchObject([
      { target: 'db-0.db.shop.svc.cluster.local', port: 5432 },
      { target: '10-244-2-5.db.shop.svc.cluster.local', port: 5432 },
    ]);
  });

  it('follows an ExternalName into the cluster', async () => {
    expect(values(await ask('alias.shop.svc.cluster.local', 'A'))).toEqual([
      'web.shop.svc.cluster.local',
      '10.96.0.20',
    ]);
  });

  it('answers reverse names', async () => {
    expect(values(await ask('20.0.96.10.in-addr.arpa', 'PTR'))).toEqual(['web.shop.svc.cluster.local']);
    expect(values(await ask('5.1.244.10.in-addr.arpa', 'PTR'))).toEqual(['db-0.db.shop.svc.cluster.local']);
  });

  it('answers pod names of a namespace that exists', async () => {
    expect(values(await ask('10-244-1-9.shop.pod.cluster.local', 'A'))).toEqual(['10.244.1.9']);
    expect(await ask('10-244-1-9.none.pod.cluster.local', 'A')).toMatchObject({ rcode: 'NXDOMAIN' });
  });

  it('says NXDOMAIN inside the cluster and REFUSED outside', async () => {
    expect(await ask('nope.shop.svc.cluster.local', 'A')).toMatchObject({
      rcode: 'NXDOMAIN',
      authorities: [{ type: 'SOA' }],
    });
    expect(await ask('example.org', 'A')).toMatchObject({ rcode: 'REFUSED' });
  });

  it('answers rubbish with FORMERR', async () => {
    const server = new DnsServer({ source, clock: new SteppedClock(), domain: 'cluster.local' });
    const packet = dnsPacket.decode(Buffer.from(await server.answer(Uint8Array.of(1, 2, 3)))) as Packet & {
      rcode?: string;
    };
    expect(packet).toMatchObject({ id: 258, rcode: 'FORMERR' });
  });
});
