import type { EndpointSlice, Node, Service } from '#api/gen/types';
import type { Clock } from '#base/clock';
import { LifeComponent } from '#base/life-component';
import { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import type { Logger } from '#base/logger';
import type { Informer, InformerFactory } from '#client/client';
import { endpointSlices, nodes, services } from '#client/resources';
import { RuleCache } from './rule-cache.ts';
import type { ServiceRule } from './service-rules.ts';

const serviceNameLabel = 'kubernetes.io/service-name';
const serviceIndex = 'service';

/**
 * Where rules take effect: the simulated network, nftables. Called with the whole set; writes only what changed. A rule that
 * did not change is the same object as the time before.
 */
export interface ProxyBackend {
  replace(rules: readonly ServiceRule[]): void;
}

export interface KubeProxyOptions {
  readonly nodeName: string;
  /** Makes informers for one life of this component. */
  readonly informers: () => InformerFactory;
  readonly backend: ProxyBackend;
  /**
   * Whether packets of this node can get to pods of `node`: simulated and real nodes share the cluster, not the packets.
   * Absent: all nodes are reached and none is watched.
   */
  readonly reachable?: (node: Node) => boolean;
  /** Hears of this node's own Node, at first and at each change. Only with `reachable`. */
  readonly onNode?: (node: Node) => void;
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
  readonly #cache: RuleCache;
  /** Nodes that no packet of this one reaches. */
  readonly #unreachable = new Set<string>();
  #timer: Disposable | undefined;
  #synced = false;

  constructor(options: KubeProxyOptions) {
    this.#options = options;
    this.#informers = options.informers();
    this.#services = this.#informers.informer<Service>(services);
    this.#slices = this.#informers.informer<EndpointSlice>(endpointSlices);
    this.#slices.addIndex(serviceIndex, (slice) => [serviceKeyOf(slice)]);
    const { nodeName, reachable } = options;
    this.#cache = new RuleCache({ nodeName, reachable: (name) => !this.#unreachable.has(name) });
    if (reachable) this.#watchNodes(reachable);
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

  #watchNodes(reachable: (node: Node) => boolean): void {
    const { nodeName, onNode } = this.#options;
    const seen = (node: Node): void => {
      const name = node.metadata.name ?? '';
      if (name === nodeName) onNode?.(node);
      if (reachable(node) !== this.#unreachable.has(name)) return;
      if (!this.#unreachable.delete(name)) this.#unreachable.add(name);
      this.#cache.clear();
      this.#schedule();
    };
    const gone = (node: Node): void => void this.#unreachable.delete(node.metadata.name ?? '');
    const informer = this.#informers.informer<Node>(nodes);
    informer.addHandler({ onAdd: seen, onUpdate: (_before, after) => seen(after), onDelete: gone });
  }

  #sync(): void {
    const slicesOf = (service: Service): readonly EndpointSlice[] =>
      this.#slices.lister.byIndex(serviceIndex, `${service.metadata.namespace ?? ''}/${service.metadata.name ?? ''}`);
    this.#options.backend.replace(this.#cache.rules(this.#services.lister.list(), slicesOf));
  }
}

function serviceKeyOf(slice: EndpointSlice): string {
  return `${slice.metadata.namespace ?? ''}/${slice.metadata.labels?.[serviceNameLabel] ?? ''}`;
}
