import type { Node, Pod } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import { formatTime } from '#base/clock';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import type { Informer, Reconciler } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { nodes, pods } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { byCreation, isPodFinished } from '../pod-status.ts';

/** kube-controller-manager `podgc`, release 1.36. */
const periodMs = 20_000;
const quarantineMs = 40_000;
const terminatedThreshold = 12_500;
const outOfServiceTaint = 'node.kubernetes.io/out-of-service';

/**
 * Removes pods that nobody else will (kube-controller-manager `podgc`, release 1.36): those of nodes that are gone for
 * 40 s, terminating ones that never had a node, those on nodes declared out of service, and the oldest finished ones
 * above 12,500.
 */
export class PodGcController implements Controller {
  readonly #options: ControllerOptions;
  readonly #nodes: Informer<Node>;
  readonly #pods: Informer<Pod>;
  /** Since when a node that pods name is missing. */
  readonly #missing = new Map<string, number>();
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;
  #timer: Disposable | undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#nodes = options.informers.informer<Node>(nodes);
    this.#pods = options.informers.informer<Pod>(pods);
    const sync = (context: Context): Promise<void> => this.#collect(context);
    this.#reconciler = createReconciler({ ...options, name: 'pod-gc', workers: 1, sync });
    this.#life = new ControllerLife([this.#nodes, this.#pods], [this.#reconciler], []);
  }

  start(context: Context): void {
    this.#life.start(context);
    this.#schedule(context);
  }

  async stop(): Promise<void> {
    this.#timer?.dispose();
    await this.#life.stop();
  }

  #schedule(context: Context): void {
    if (context.ended) return;
    this.#timer = this.#options.clock.setTimer(periodMs, () => {
      this.#reconciler.enqueue('all');
      this.#schedule(context);
    });
    context.onEnd(() => this.#timer?.dispose());
  }

  async #collect(context: Context): Promise<void> {
    const all = this.#pods.lister.list();
    const finished = all.filter(isPodFinished).sort(byCreation);
    for (const pod of finished.slice(0, Math.max(0, finished.length - terminatedThreshold)))
      await this.#remove(context, pod);
    for (const pod of all) {
      if (!pod.metadata.deletionTimestamp) continue;
      const node = this.#nodes.lister.get(pod.spec.nodeName ?? '');
      if (!pod.spec.nodeName || (node && isOutOfService(node))) await this.#remove(context, pod);
    }
    const gone = await this.#goneNodes(context, all);
    for (const pod of all) {
      if (!gone.has(pod.spec.nodeName ?? '')) continue;
      if (!isPodFinished(pod)) await this.#fail(context, pod);
      await this.#remove(context, pod);
    }
  }

  /** Nodes that are named by pods and do not exist, for long enough and by the server's own word. */
  async #goneNodes(context: Context, all: readonly Pod[]): Promise<ReadonlySet<string>> {
    const nowMs = this.#options.clock.now();
    const named = new Set(all.flatMap(({ spec }) => (spec.nodeName ? [spec.nodeName] : [])));
    for (const name of [...this.#missing.keys()]) {
      if (!named.has(name) || this.#nodes.lister.get(name)) this.#missing.delete(name);
    }
    const gone = new Set<string>();
    for (const name of named) {
      if (this.#nodes.lister.get(name)) continue;
      const sinceMs = this.#missing.get(name) ?? nowMs;
      this.#missing.set(name, sinceMs);
      if (nowMs - sinceMs >= quarantineMs && !(await this.#exists(context, name))) gone.add(name);
    }
    return gone;
  }

  async #exists(context: Context, name: string): Promise<boolean> {
    try {
      await this.#options.client.resource<Node>(nodes).get(context, '', name);
      return true;
    } catch (error) {
      if (isStatus(error, 'NotFound')) return false;
      throw error;
    }
  }

  async #fail(context: Context, pod: Pod): Promise<void> {
    const { namespace = '', name = '', uid } = pod.metadata;
    const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget');
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByPodGC',
      message: 'PodGC: node no longer exists',
      lastTransitionTime: formatTime(this.#options.clock.now()),
    };
    const patch = { metadata: { uid }, status: { phase: 'Failed', conditions: [...others, condition] } };
    try {
      const resource = this.#options.client.resource<Pod>(pods);
      await resource.patch(context, namespace, name, 'merge', patch, { subresource: 'status' });
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }

  async #remove(context: Context, pod: Pod): Promise<void> {
    const { namespace = '', name = '', uid } = pod.metadata;
    const options = { gracePeriodSeconds: 0, ...(uid ? { preconditions: { uid } } : {}) };
    try {
      await this.#options.client.resource<Pod>(pods).delete(context, namespace, name, options);
    } catch (error) {
      if (!isStatus(error, 'NotFound', 'Conflict')) throw error;
    }
  }
}

function isOutOfService(node: Node): boolean {
  const ready = node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
  return !ready && (node.spec.taints ?? []).some(({ key }) => key === outOfServiceTaint);
}
