import type { EndpointSlice, Service } from '#api/gen/types';
import type { Clock } from '#base/clock';
import { LifeComponent } from '#base/life-component';
import { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import type { Logger } from '#base/logger';
import type { Informer, InformerFactory } from '#client/client';
import { endpointSlices, services } from '#client/resources';
import { serviceRules, type ServiceRule } from './service-rules.ts';

const serviceNameLabel = 'kubernetes.io/service-name';
const serviceIndex = 'service';

/** Where rules take effect: the simulated network, nftables. Called with the whole set; writes only what changed. */
export interface ProxyBackend {
  replace(rules: readonly ServiceRule[]): void;
}

export interface KubeProxyOptions {
  readonly nodeName: string;
  /** Makes informers for one life of this component. */
  readonly informers: () => InformerFactory;
  readonly backend: ProxyBackend;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Changes that arrive within this many milliseconds are written together. */
  readonly minSyncPeriodMs?: number;
}

/**
 * kube-proxy of one node (cmd/kube-proxy, release 1.36): turns Services and EndpointSlices into forwarding rules. Rules
 * outlive it: after a crash traffic flows by the last rules written.
 */
export class KubeProxy extends LifeComponent<ProxyRun> {
  override readonly name: string;
  readonly #options: KubeProxyOptions;

  constructor(options: KubeProxyOptions) {
    super();
    this.name = `kube-proxy/${options.nodeName}`;
    this.#options = options;
  }

  protected override newLife(): ProxyRun {
    return new ProxyRun(this.#options);
  }
}

/** One life of a kube-proxy, from start to stop or crash. */
class ProxyRun {
  readonly #options: KubeProxyOptions;
  readonly #informers: InformerFactory;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  #timer: Disposable | undefined;
  #synced = false;

  constructor(options: KubeProxyOptions) {
    this.#options = options;
    this.#informers = options.informers();
    this.#services = this.#informers.informer<Service>(services);
    this.#slices = this.#informers.informer<EndpointSlice>(endpointSlices);
    this.#slices.addIndex(serviceIndex, (slice) => [serviceKeyOf(slice)]);
  }

  async start(context: Context): Promise<void> {
    const changed = (): void => this.#schedule();
    this.#services.addHandler({ onAdd: changed, onUpdate: changed, onDelete: changed });
    this.#slices.addHandler({ onAdd: changed, onUpdate: changed, onDelete: changed });
    this.#informers.start(Context.background());
    await this.#informers.waitForSync(context);
    this.#synced = true;
    this.#sync();
  }

  end(): void {
    this.#synced = false;
    this.#timer?.dispose();
    this.#informers.stop();
  }

  #schedule(): void {
    if (this.#timer || !this.#synced) return;
    this.#timer = this.#options.clock.setTimer(this.#options.minSyncPeriodMs ?? 20, () => {
      this.#timer = undefined;
      if (this.#synced) this.#sync();
    });
  }

  #sync(): void {
    const { backend, nodeName } = this.#options;
    const slicesOf = (service: Service): readonly EndpointSlice[] =>
      this.#slices.lister.byIndex(serviceIndex, `${service.metadata.namespace ?? ''}/${service.metadata.name ?? ''}`);
    backend.replace(serviceRules(this.#services.lister.list(), slicesOf, nodeName));
  }
}

function serviceKeyOf(slice: EndpointSlice): string {
  return `${slice.metadata.namespace ?? ''}/${slice.metadata.labels?.[serviceNameLabel] ?? ''}`;
}
