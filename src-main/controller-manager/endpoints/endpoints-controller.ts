import type { Endpoints, EndpointAddress, EndpointSubset, Pod, Service } from '#api/gen/types';
import { objectKey, splitObjectKey } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import { jsonEqual } from '#base/freeze';
import type { Informer, Reconciler, ResourceClient } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { endpoints, pods, services } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { isPodReady } from '../pod-status.ts';
import { isNamespaceTerminating } from '../pod-control.ts';
import {
  belongsInEndpoints,
  endpointLabels,
  hostnameIn,
  podsOfService,
  selectsPods,
  targetPortOf,
  watchServicePods,
} from '../service-pods.ts';
import { WrittenVersions } from '../written-versions.ts';

const batchMs = 50;
/** `maxCapacity` of the endpoints controller, release 1.36: more addresses are left out and the object says so. */
const maxAddresses = 1000;

/**
 * Keeps the Endpoints object of services with a selector (kube-controller-manager `endpoints`, release 1.36). Deprecated
 * upstream in favour of EndpointSlices, and still written.
 */
export class EndpointsController implements Controller {
  readonly #services: Informer<Service>;
  readonly #pods: Informer<Pod>;
  readonly #endpoints: Informer<Endpoints>;
  readonly #client: ResourceClient<Endpoints>;
  readonly #written = new WrittenVersions();
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    const { client, informers } = options;
    this.#services = informers.informer<Service>(services);
    this.#pods = informers.informer<Pod>(pods);
    this.#endpoints = informers.informer<Endpoints>(endpoints);
    this.#client = client.resource<Endpoints>(endpoints);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'endpoints', workers: 5, sync });
    const enqueue = (service: Service): void =>
      this.#reconciler.enqueue(objectKey(service), service.metadata.resourceVersion);
    const seen = (object: Endpoints): void =>
      this.#reconciler.enqueue(objectKey(object), object.metadata.resourceVersion);
    const handlers = [
      this.#services.addHandler({
        onAdd: enqueue,
        onUpdate: (_before, service) => enqueue(service),
        onDelete: enqueue,
      }),
      this.#endpoints.addHandler({
        onAdd: seen,
        onUpdate: (_before, object) => seen(object),
        onDelete: (object) => {
          this.#written.sawDeletion(objectKey(object), objectKey(object));
          seen(object);
        },
      }),
      watchServicePods(this.#pods, this.#services, (key, revision) => {
        this.#reconciler.enqueueAfter(key, batchMs, revision);
      }),
    ];
    this.#life = new ControllerLife([this.#services, this.#pods, this.#endpoints], [this.#reconciler], handlers);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  async #sync(context: Context, key: string): Promise<void> {
    if (this.#written.isStale(key, this.#endpoints.lister)) return;
    const service = this.#services.lister.get(key);
    const existing = this.#endpoints.lister.get(key);
    if (!service) {
      if (existing && isOurs(existing)) await this.#remove(context, key);
      return;
    }
    if (!selectsPods(service) || service.metadata.deletionTimestamp) return;
    const { name = '', namespace = '' } = service.metadata;
    const labels = endpointLabels(service, { 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' });
    const subsets = subsetsOf(service, podsOfService(service, this.#pods));
    if (existing && jsonEqual(existing.subsets ?? [], subsets) && jsonEqual(existing.metadata.labels, labels)) return;
    const metadata = { ...(existing?.metadata ?? { name, namespace }), labels };
    const wanted: Endpoints = {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata,
      ...(subsets.length > 0 ? { subsets } : {}),
    };
    try {
      const stored = existing ? await this.#client.update(context, wanted) : await this.#client.create(context, wanted);
      this.#written.wrote(key, stored);
    } catch (error) {
      if (!isNamespaceTerminating(error)) throw error;
    }
  }

  async #remove(context: Context, key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    try {
      await this.#client.delete(context, namespace, name);
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }
}

/** Endpoints that a person made for a service without a selector are theirs. */
function isOurs(object: Endpoints): boolean {
  return object.metadata.labels?.['endpoints.kubernetes.io/managed-by'] === 'endpoint-controller';
}

/** One subset for each set of ports, ready and unready addresses apart, all in order (`endpoints.RepackSubsets`, 1.36). */
function subsetsOf(service: Service, selected: readonly Pod[]): readonly EndpointSubset[] {
  const { publishNotReadyAddresses = false } = service.spec;
  const groups = new Map<
    string,
    { ports: EndpointSubset['ports']; ready: EndpointAddress[]; notReady: EndpointAddress[] }
  >();
  for (const pod of selected.slice(0, maxAddresses)) {
    if (!belongsInEndpoints(pod, publishNotReadyAddresses)) continue;
    const ports = (service.spec.ports ?? []).flatMap((port) => {
      const number = targetPortOf(pod, port);
      if (number === undefined) return [];
      const { name, protocol = 'TCP', appProtocol } = port;
      return [{ ...(name ? { name } : {}), port: number, protocol, ...(appProtocol ? { appProtocol } : {}) }];
    });
    if (ports.length === 0 && (service.spec.ports ?? []).length > 0) continue;
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, ready: [], notReady: [] };
    groups.set(key, group);
    (publishNotReadyAddresses || isPodReady(pod) ? group.ready : group.notReady).push(addressOf(service, pod));
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { ports, ready, notReady }]) => ({
      ...(ready.length > 0 ? { addresses: ready.sort(byIp) } : {}),
      ...(notReady.length > 0 ? { notReadyAddresses: notReady.sort(byIp) } : {}),
      ...(ports && ports.length > 0 ? { ports } : {}),
    }));
}

function addressOf(service: Service, pod: Pod): EndpointAddress {
  const { name = '', namespace = '', uid = '' } = pod.metadata;
  const hostname = hostnameIn(service, pod);
  return {
    ip: pod.status?.podIP ?? '',
    ...(hostname ? { hostname } : {}),
    ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: { kind: 'Pod', name, namespace, uid },
  };
}

function byIp(a: EndpointAddress, b: EndpointAddress): number {
  return a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0;
}
