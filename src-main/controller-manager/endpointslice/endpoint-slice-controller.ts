import type { EndpointSlice, Node, Pod, Service } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import type { Informer, Reconciler, ResourceClient } from '#client/client';
import { controllerReference } from '#client/owner-references';
import { createReconciler } from '#client/reconciler';
import { endpointSlices, nodes, pods, services } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { isNamespaceTerminating } from '../pod-control.ts';
import { endpointLabels, podsOfService, selectsPods, watchServicePods } from '../service-pods.ts';
import { WrittenVersions } from '../written-versions.ts';
import { planSlices } from './slice-plan.ts';

const serviceNameLabel = 'kubernetes.io/service-name';
const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
const managedBy = 'endpointslice-controller.k8s.io';
/** Changes of many pods within this time are answered by one write. */
const batchMs = 20;

/** Keeps the EndpointSlices of services with a selector (kube-controller-manager `endpointslice`, release 1.36). */
export class EndpointSliceController implements Controller {
  readonly #options: ControllerOptions;
  readonly #services: Informer<Service>;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #client: ResourceClient<EndpointSlice>;
  readonly #written = new WrittenVersions();
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    const { client, informers } = options;
    this.#options = options;
    this.#services = informers.informer<Service>(services);
    this.#pods = informers.informer<Pod>(pods);
    this.#nodes = informers.informer<Node>(nodes);
    this.#slices = informers.informer<EndpointSlice>(endpointSlices);
    this.#slices.addIndex('service', (slice) => (isOurs(slice) ? [serviceKeyOf(slice)] : []));
    this.#client = client.resource<EndpointSlice>(endpointSlices);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'endpointslice', workers: 5, sync });
    const caches = [this.#services, this.#pods, this.#nodes, this.#slices];
    this.#life = new ControllerLife(
      caches,
      [this.#reconciler],
      [this.#watchServices(), this.#watchPods(), this.#watchSlices()],
    );
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  #watchServices(): Disposable {
    const enqueue = (service: Service): void =>
      this.#reconciler.enqueue(objectKey(service), service.metadata.resourceVersion);
    return this.#services.addHandler({
      onAdd: enqueue,
      onUpdate: (_before, service) => enqueue(service),
      onDelete: enqueue,
    });
  }

  #watchPods(): Disposable {
    return watchServicePods(this.#pods, this.#services, (key, revision) => {
      this.#reconciler.enqueueAfter(key, batchMs, revision);
    });
  }

  #watchSlices(): Disposable {
    const enqueue = (slice: EndpointSlice): void => {
      if (isOurs(slice)) this.#reconciler.enqueue(serviceKeyOf(slice), slice.metadata.resourceVersion);
    };
    return this.#slices.addHandler({
      onAdd: enqueue,
      onUpdate: (_before, slice) => enqueue(slice),
      onDelete: (slice) => {
        this.#written.sawDeletion(serviceKeyOf(slice), objectKey(slice));
        enqueue(slice);
      },
    });
  }

  async #sync(context: Context, key: string): Promise<void> {
    const service = this.#services.lister.get(key);
    if (!service) {
      // The garbage collector takes the slices: they are owned by the service.
      this.#written.forget(key);
      return;
    }
    if (!selectsPods(service) || service.metadata.deletionTimestamp || this.#written.isStale(key, this.#slices.lister))
      return;
    const { name = '', namespace = '' } = service.metadata;
    const labels = endpointLabels(service, { [serviceNameLabel]: name, [managedByLabel]: managedBy });
    const existing = this.#slices.lister.byIndex('service', key);
    const nodeOf = (nodeName: string): Node | undefined => this.#nodes.lister.get(nodeName);
    const plan = planSlices(service, podsOfService(service, this.#pods), existing, labels, nodeOf);
    try {
      for (const { ports, endpoints } of plan.create) {
        const metadata = {
          generateName: `${name}-`,
          namespace,
          labels,
          ownerReferences: [controllerReference(service)],
        };
        const draft = {
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata,
          addressType: 'IPv4',
          ports,
          endpoints,
        };
        this.#written.wrote(key, await this.#client.create(context, draft));
      }
      for (const slice of plan.update) this.#written.wrote(key, await this.#client.update(context, slice));
      for (const slice of plan.remove) await this.#remove(context, key, slice);
    } catch (error) {
      if (isNamespaceTerminating(error)) return;
      if (!isStatus(error, 'Conflict')) {
        const text = `Failed to update endpoint slices for Service ${key}: ${messageOf(error)}`;
        this.#options.recorder.event(service, 'Warning', 'FailedToUpdateEndpointSlices', text);
      }
      throw error;
    }
  }

  async #remove(context: Context, key: string, slice: EndpointSlice): Promise<void> {
    const { name = '', namespace = '' } = slice.metadata;
    try {
      await this.#client.delete(context, namespace, name);
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
    if (this.#slices.lister.get(objectKey(slice))) this.#written.deleted(key, objectKey(slice));
  }
}

function isOurs(slice: EndpointSlice): boolean {
  return slice.metadata.labels?.[managedByLabel] === managedBy;
}

function serviceKeyOf(slice: EndpointSlice): string {
  return `${slice.metadata.namespace ?? ''}/${slice.metadata.labels?.[serviceNameLabel] ?? ''}`;
}
