import type { Lease, Node, Pod, PodCondition } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import { formatTime } from '#base/clock';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { jsonEqual } from '#base/freeze';
import type { Informer, Reconciler, ResourceClient } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { leases, nodes, pods } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { EvictionPace } from './eviction-pace.ts';
import { graceLeftMs, observe, readyCondition, unknownConditions, type NodeHealth } from './node-health.ts';
import { desiredTaints, evictionTaintKey } from './node-taints.ts';

/** `--node-monitor-period` of kube-controller-manager, release 1.36. */
const monitorPeriodMs = 5_000;
const podsByNode = 'nodeName';

/**
 * Watches over nodes (kube-controller-manager `nodelifecycle`, release 1.36): a node that neither renews its Lease nor
 * writes its status for 50 s becomes Unknown, is tainted, and its pods are marked as not Ready. Evicting them is the
 * taint-eviction controller's.
 */
export class NodeLifecycleController implements Controller {
  readonly #options: ControllerOptions;
  readonly #nodes: Informer<Node>;
  readonly #leases: Informer<Lease>;
  readonly #pods: Informer<Pod>;
  readonly #client: ResourceClient<Node>;
  readonly #health = new Map<string, NodeHealth>();
  readonly #pace = new EvictionPace();
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;
  #timer: Disposable | undefined;

  constructor(options: ControllerOptions) {
    const { client, informers } = options;
    this.#options = options;
    this.#nodes = informers.informer<Node>(nodes);
    this.#leases = informers.informer<Lease>(leases, { namespace: 'kube-node-lease' });
    this.#pods = informers.informer<Pod>(pods);
    this.#pods.addIndex(podsByNode, (pod) => (pod.spec.nodeName ? [pod.spec.nodeName] : []));
    this.#client = client.resource<Node>(nodes);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'node-lifecycle', workers: 8, sync });
    this.#life = new ControllerLife([this.#nodes, this.#leases, this.#pods], [this.#reconciler], [this.#watchNodes()]);
  }

  start(context: Context): void {
    this.#life.start(context);
    this.#monitor(context);
  }

  async stop(): Promise<void> {
    this.#timer?.dispose();
    await this.#life.stop();
  }

  #watchNodes(): Disposable {
    return this.#nodes.addHandler({
      onAdd: (node) => {
        const { name = '' } = node.metadata;
        const text = `Node ${name} event: Registered Node ${name} in Controller`;
        this.#options.recorder.event(node, 'Normal', 'RegisteredNode', text);
        this.#reconciler.enqueue(name, node.metadata.resourceVersion);
      },
      onUpdate: (before, node) => {
        const unchanged =
          before.spec.unschedulable === node.spec.unschedulable &&
          jsonEqual(before.spec.taints, node.spec.taints) &&
          jsonEqual(before.status?.conditions?.map(statusOf), node.status?.conditions?.map(statusOf));
        if (!unchanged) this.#reconciler.enqueue(node.metadata.name ?? '', node.metadata.resourceVersion);
      },
      onDelete: (node) => {
        const { name = '' } = node.metadata;
        this.#health.delete(name);
        this.#pace.reset(name);
        const text = `Node ${name} event: Removing Node ${name} from Controller`;
        this.#options.recorder.event(node, 'Normal', 'RemovingNode', text);
      },
    });
  }

  #monitor(context: Context): void {
    if (context.ended) return;
    this.#timer = this.#options.clock.setTimer(monitorPeriodMs, () => {
      for (const { metadata } of this.#nodes.lister.list()) this.#reconciler.enqueue(metadata.name ?? '');
      this.#monitor(context);
    });
    context.onEnd(() => this.#timer?.dispose());
  }

  async #sync(context: Context, name: string): Promise<void> {
    const cached = this.#nodes.lister.get(name);
    if (!cached) return;
    const nowMs = this.#options.clock.now();
    const lease = this.#leases.lister.get(`kube-node-lease/${name}`);
    const health = observe(this.#health.get(name), cached, lease, nowMs);
    this.#health.set(name, health);
    const node = graceLeftMs(health, nowMs) <= 0 ? await this.#markUnknown(context, cached, nowMs) : cached;
    const ready = readyCondition(node)?.status === 'True';
    if (!ready && readyCondition(node)) await this.#markPodsNotReady(context, node);
    await this.#taint(context, node, nowMs);
  }

  async #markUnknown(context: Context, node: Node, nowMs: number): Promise<Node> {
    const conditions = unknownConditions(node, nowMs);
    if (jsonEqual(conditions, node.status?.conditions)) return node;
    const wasReady = readyCondition(node)?.status === 'True';
    const updated = await this.#client.updateStatus(context, { ...node, status: { ...node.status, conditions } });
    if (wasReady) {
      const text = `Node ${node.metadata.name ?? ''} status is now: NodeNotReady`;
      this.#options.recorder.event(node, 'Normal', 'NodeNotReady', text, context.cause?.revision);
    }
    return updated;
  }

  /** Pods on a node that does not answer get no traffic: their readiness is no longer known to be true. */
  async #markPodsNotReady(context: Context, node: Node): Promise<void> {
    const { client, clock, recorder } = this.#options;
    for (const pod of this.#pods.lister.byIndex(podsByNode, node.metadata.name ?? '')) {
      const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready');
      if (ready?.status !== 'True') continue;
      const lastTransitionTime = formatTime(clock.now());
      const conditions = (pod.status?.conditions ?? []).map((condition: PodCondition) =>
        condition.type === 'Ready' ? { ...condition, status: 'False', lastTransitionTime } : condition,
      );
      try {
        await client.resource<Pod>(pods).updateStatus(context, { ...pod, status: { ...pod.status, conditions } });
        recorder.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready', node.metadata.resourceVersion);
      } catch (error) {
        if (!isStatus(error, 'NotFound')) throw error;
      }
    }
  }

  async #taint(context: Context, node: Node, nowMs: number): Promise<void> {
    const { name = '', resourceVersion } = node.metadata;
    const taints = desiredTaints(node, this.#eviction(node, nowMs), nowMs);
    if (jsonEqual(taints, node.spec.taints ?? [])) return;
    // With the version in it, a patch that would undo a taint set meanwhile fails and is made again.
    const patch = { metadata: { resourceVersion }, spec: { taints: taints.length > 0 ? taints : null } };
    await this.#client.patch(context, '', name, 'merge', patch);
  }

  /** Whether the node's pods are to go; undefined while its turn has not come. */
  #eviction(node: Node, nowMs: number): boolean | undefined {
    const { name = '' } = node.metadata;
    if (!evictionTaintKey(node)) {
      this.#pace.reset(name);
      return false;
    }
    const all = this.#nodes.lister.list();
    const readyNodes = all.filter(
      (each) => readyCondition(each)?.status === 'True' && each.metadata.name !== name,
    ).length;
    const notReadyNodes = all.length - readyNodes;
    if (readyNodes === 0) {
      this.#pace.reset(name);
      return false;
    }
    return this.#pace.take(name, readyNodes, notReadyNodes, nowMs) || undefined;
  }
}

function statusOf({ type, status }: { readonly type: string; readonly status: string }): readonly string[] {
  return [type, status];
}
