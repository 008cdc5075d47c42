import type { Endpoint, EndpointSlice, Namespace, Service } from '#api/gen/types';
import type { Context } from '#base/context';
import type { Informer, InformerFactory } from '#client/client';
import { endpointSlices, namespaces, services } from '#client/resources';
import type { DnsSource } from './records.ts';

const byService = 'service';
const byAddress = 'address';

/** The DNS's caches, kept by informers with the indexes its questions need. */
export class InformerDnsSource implements DnsSource {
  readonly #factory: InformerFactory;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #namespaces: Informer<Namespace>;

  /** Owns `factory`: it is started and stopped here. */
  constructor(factory: InformerFactory) {
    this.#factory = factory;
    this.#services = factory.informer<Service>(services);
    this.#slices = factory.informer<EndpointSlice>(endpointSlices);
    this.#namespaces = factory.informer<Namespace>(namespaces);
    this.#services.addIndex(byAddress, (service) => service.spec.clusterIPs ?? []);
    this.#slices.addIndex(byService, (slice) => [serviceOf(slice)]);
    this.#slices.addIndex(byAddress, (slice) =>
      (slice.endpoints ?? []).flatMap((one) => (one.hostname ? one.addresses : [])),
    );
  }

  async start(context: Context): Promise<void> {
    this.#factory.start(context);
    await this.#factory.waitForSync(context);
  }

  stop(): void {
    this.#factory.stop();
  }

  service(namespace: string, name: string): Service | undefined {
    return this.#services.lister.get(`${namespace}/${name}`);
  }

  slices(namespace: string, name: string): readonly EndpointSlice[] {
    return this.#slices.lister.byIndex(byService, `${namespace}/${name}`);
  }

  namespaceExists(name: string): boolean {
    return this.#namespaces.lister.get(name) !== undefined;
  }

  serviceByIp(ip: string): Service | undefined {
    return this.#services.lister.byIndex(byAddress, ip)[0];
  }

  endpointByIp(ip: string): { namespace: string; service: string; endpoint: Endpoint } | undefined {
    for (const slice of this.#slices.lister.byIndex(byAddress, ip)) {
      const endpoint = (slice.endpoints ?? []).find((one) => one.hostname && one.addresses.includes(ip));
      const [namespace = '', service = ''] = serviceOf(slice).split('/');
      if (endpoint) return { namespace, service, endpoint };
    }
    return undefined;
  }
}

function serviceOf(slice: EndpointSlice): string {
  return `${slice.metadata.namespace ?? ''}/${slice.metadata.labels?.['kubernetes.io/service-name'] ?? ''}`;
}
