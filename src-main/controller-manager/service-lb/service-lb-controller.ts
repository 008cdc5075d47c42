import type { Service } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import { jsonEqual } from '#base/freeze';
import type { Informer, Reconciler } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { services } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { AddressPool, type AddressRange } from './address-pool.ts';

export interface ServiceLbOptions extends ControllerOptions {
  readonly pool: AddressRange;
}

const finalizer = 'service.kubernetes.io/load-balancer-cleanup';

/**
 * Gives Services of type LoadBalancer an address of a pool, as the service controller of a cloud gives them a load balancer
 * (cloud-provider `service`, release 1.36); that packets to it arrive is kube-proxy's. What is in use stands in the Services
 * themselves, so that a restart changes no address. Services of another `loadBalancerClass` are somebody else's.
 */
export class ServiceLbController implements Controller {
  readonly #options: ServiceLbOptions;
  readonly #services: Informer<Service>;
  readonly #pool: AddressPool;
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;
  /** Those that found no address: asked again when one is given back. */
  readonly #waiting = new Set<string>();

  constructor(options: ServiceLbOptions) {
    this.#options = options;
    this.#pool = new AddressPool(options.pool);
    this.#services = options.informers.informer<Service>(services);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    // One worker: two Services are never given an address at once.
    this.#reconciler = createReconciler({ ...options, name: 'service', workers: 1, sync });
    const seen = (service: Service): void => {
      // All Services are seen before the first sync, so that nobody is given what another has from before.
      if (wantsAddress(service)) this.#adopt(service);
      this.#reconciler.enqueue(keyOf(service), service.metadata.resourceVersion);
    };
    const handler = this.#services.addHandler({
      onAdd: seen,
      onUpdate: (_before, service) => seen(service),
      onDelete: (service) => this.#release(keyOf(service), service.metadata.resourceVersion),
    });
    this.#life = new ControllerLife([this.#services], [this.#reconciler], [handler]);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  #adopt(service: Service): void {
    const [ingress] = service.status?.loadBalancer?.ingress ?? [];
    if (ingress?.ip !== undefined && this.#pool.addressOf(keyOf(service)) === undefined) {
      this.#pool.take(ingress.ip, keyOf(service));
    }
  }

  #release(key: string, revision: string | undefined): void {
    this.#waiting.delete(key);
    if (!this.#pool.release(key)) return;
    for (const waiting of this.#waiting) this.#reconciler.enqueue(waiting, revision);
  }

  async #sync(context: Context, key: string): Promise<void> {
    const service = this.#services.lister.get(key);
    if (!service) return;
    try {
      if (wantsAddress(service)) await this.#ensure(context, key, service);
      else if (service.metadata.finalizers?.includes(finalizer)) await this.#cleanUp(context, key, service);
    } catch (error) {
      // Somebody was faster: their change comes through the watch and asks again. What is gone needs nothing.
      if (!isStatus(error, 'Conflict', 'NotFound')) throw error;
    }
  }

  async #ensure(context: Context, key: string, service: Service): Promise<void> {
    const { recorder } = this.#options;
    const address = this.#addressFor(key, service);
    const ingress = address.ip === undefined ? [] : [{ ip: address.ip, ipMode: 'VIP' }];
    const { finalizers = [] } = service.metadata;
    const held = finalizers.includes(finalizer) && jsonEqual(service.status?.loadBalancer?.ingress ?? [], ingress);
    if (address.problem !== undefined) {
      this.#waiting.add(key);
      const text = `Error syncing load balancer: failed to ensure load balancer: ${address.problem}`;
      recorder.event(service, 'Warning', 'SyncLoadBalancerFailed', text, context.cause?.revision);
    } else this.#waiting.delete(key);
    if (held) return;
    const granted = address.problem === undefined;
    if (granted) this.#note(context, service, 'EnsuringLoadBalancer', 'Ensuring load balancer');
    await this.#patch(context, service, finalizers.includes(finalizer) ? finalizers : [...finalizers, finalizer], {
      ...(ingress.length > 0 ? { ingress } : {}),
    });
    if (granted) this.#note(context, service, 'EnsuredLoadBalancer', 'Ensured load balancer');
  }

  /** The address the Service asks for, or has, or any. */
  #addressFor(key: string, { spec }: Service): { readonly ip?: string; readonly problem?: string } {
    const asked = spec.loadBalancerIP || undefined;
    const pool = this.#pool;
    if (asked === undefined) {
      const ip = pool.addressOf(key) ?? pool.takeAny(key);
      if (ip !== undefined) return { ip };
      return {
        problem: `all addresses of ${pool.text} are in use; delete a Service of type LoadBalancer or make it a ClusterIP`,
      };
    }
    if (pool.addressOf(key) !== asked) this.#release(key, undefined);
    if (pool.take(asked, key)) return { ip: asked };
    const owner = pool.ownerOf(asked);
    const why = owner === undefined ? `is not one of ${pool.text}` : `is in use by Service ${owner}`;
    return { problem: `spec.loadBalancerIP ${asked} ${why}; ask for another or leave it out` };
  }

  async #cleanUp(context: Context, key: string, service: Service): Promise<void> {
    this.#note(context, service, 'DeletingLoadBalancer', 'Deleting load balancer');
    const finalizers = (service.metadata.finalizers ?? []).filter((name) => name !== finalizer);
    await this.#patch(context, service, finalizers, {});
    this.#release(key, service.metadata.resourceVersion);
    this.#note(context, service, 'DeletedLoadBalancer', 'Deleted load balancer');
  }

  #note(context: Context, service: Service, reason: string, message: string): void {
    this.#options.recorder.event(service, 'Normal', reason, message, context.cause?.revision);
  }

  /** Through the status alone, which is all that this controller may write. */
  async #patch(
    context: Context,
    { metadata }: Service,
    finalizers: readonly string[],
    loadBalancer: NonNullable<Service['status']>['loadBalancer'],
  ): Promise<void> {
    const { namespace = '', name = '', resourceVersion } = metadata;
    const ingress = loadBalancer?.ingress ?? null;
    const patch = { metadata: { resourceVersion, finalizers }, status: { loadBalancer: { ingress } } };
    const client = this.#options.client.resource<Service>(services);
    await client.patch(context, namespace, name, 'merge', patch, { subresource: 'status' });
  }
}

function keyOf({ metadata }: Service): string {
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
}

/** A class names whose load balancer it is to be; without one it is ours. */
function wantsAddress({ metadata, spec }: Service): boolean {
  return metadata.deletionTimestamp === undefined && spec.type === 'LoadBalancer' && !spec.loadBalancerClass;
}
