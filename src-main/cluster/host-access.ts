import type { EndpointSlice, Service } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import { DialError, type ByteStream, type SocketAddress } from '#base/streams';
import type { Informer, InformerFactory } from '#client/client';
import { endpointSlices, services } from '#client/resources';
import { HostPorts } from './host-ports.ts';
import type { Worker } from './workers/worker.ts';

const serviceIndex = 'service';
const serviceNameLabel = 'kubernetes.io/service-name';

interface Door {
  /** `namespace/name`. */
  readonly service: string;
  readonly nodePort: number | undefined;
  /** Where the load balancer answers; undefined for a node port. */
  readonly balanced: SocketAddress | undefined;
}

export interface HostAccessOptions {
  readonly informers: InformerFactory;
  readonly workers: () => readonly Worker[];
  readonly logger: Logger;
}

/**
 * The ways into the cluster from this computer: every node port answers on 127.0.0.1, and every port of a Service of type
 * LoadBalancer as well where no other program holds it. Connections enter at a node that has an endpoint of the Service,
 * so that they arrive whatever the traffic policy, and whichever driver made the node.
 */
export class HostAccess {
  readonly #options: HostAccessOptions;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #ports: HostPorts;
  #doors: ReadonlyMap<number, Door> = new Map();
  #turn = 0;

  constructor(options: HostAccessOptions) {
    this.#options = options;
    this.#services = options.informers.informer<Service>(services);
    this.#slices = options.informers.informer<EndpointSlice>(endpointSlices);
    this.#slices.addIndex(serviceIndex, (slice) => [
      `${slice.metadata.namespace ?? ''}/${slice.metadata.labels?.[serviceNameLabel] ?? ''}`,
    ]);
    const { logger } = options;
    this.#ports = new HostPorts({ logger, dial: (context, port) => this.#dial(context, port) });
  }

  start(context: Context): void {
    const changed = (): void => this.#sync();
    this.#services.addHandler({ onAdd: changed, onUpdate: changed, onDelete: changed });
    this.#options.informers.start(context);
  }

  close(): void {
    this.#options.informers.stop();
    this.#ports.close();
  }

  #sync(): void {
    this.#doors = doorsOf(this.#services.lister.list());
    this.#ports.sync(new Set(this.#doors.keys()));
  }

  async #dial(context: Context, port: number): Promise<ByteStream> {
    const door = this.#doors.get(port);
    const entries = door ? this.#entries(door.service) : [];
    let failure: unknown;
    for (const worker of entries) {
      const address = door?.nodePort ? { ip: worker.address, port: door.nodePort } : door?.balanced;
      if (!address) continue;
      try {
        return await worker.dial(context, address);
      } catch (error) {
        failure = error;
      }
    }
    throw failure ?? new DialError('ECONNREFUSED', `no node that is up has an endpoint for port ${port}`);
  }

  /** Running nodes with an endpoint of the service, each time beginning with the next. */
  #entries(service: string): readonly Worker[] {
    const names = new Set(
      this.#slices.lister
        .byIndex(serviceIndex, service)
        .flatMap((slice) => slice.endpoints ?? [])
        .filter(({ conditions }) => conditions?.ready !== false || conditions.serving === true)
        .map((endpoint) => endpoint.nodeName),
    );
    const found = this.#options.workers().filter((one) => one.state === 'running' && names.has(one.config.name));
    const first = found.length === 0 ? 0 : this.#turn++ % found.length;
    return [...found.slice(first), ...found.slice(0, first)];
  }
}

/** Node ports come first: a load balancer's port gives way to them. */
function doorsOf(all: readonly Service[]): ReadonlyMap<number, Door> {
  const doors = new Map<number, Door>();
  const tcp = all.flatMap((service) =>
    (service.spec.ports ?? [])
      .filter((port) => (port.protocol ?? 'TCP') === 'TCP')
      .map((port) => ({ service: objectKey(service), port, ip: service.status?.loadBalancer?.ingress?.[0]?.ip })),
  );
  for (const { service, port } of tcp) {
    if (port.nodePort) doors.set(port.nodePort, { service, nodePort: port.nodePort, balanced: undefined });
  }
  for (const { service, port, ip } of tcp) {
    if (!ip || doors.has(port.port)) continue;
    doors.set(port.port, { service, nodePort: port.nodePort, balanced: { ip, port: port.port } });
  }
  return doors;
}
