import type { Node, Pod, Taint } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import { formatTime } from '#base/clock';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { jsonEqual } from '#base/freeze';
import type { Informer, Reconciler } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { nodes, pods } from '#client/resources';
import { toleratesTaint } from '#client/taints';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { isPodFinished } from '../pod-status.ts';

const podsByNode = 'nodeName';

/** Takes pods off nodes with NoExecute taints (kube-controller-manager `tainteviction`, release 1.36). */
export class TaintEvictionController implements Controller {
  readonly #options: ControllerOptions;
  readonly #nodes: Informer<Node>;
  readonly #pods: Informer<Pod>;
  /** When each pod goes, in lab time, and the uid that is meant. */
  readonly #scheduled = new Map<string, { readonly dueMs: number; readonly uid: string | undefined }>();
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#nodes = options.informers.informer<Node>(nodes);
    this.#pods = options.informers.informer<Pod>(pods);
    this.#pods.addIndex(podsByNode, (pod) => (pod.spec.nodeName ? [pod.spec.nodeName] : []));
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'taint-eviction', workers: 8, sync });
    const caches = [this.#nodes, this.#pods];
    this.#life = new ControllerLife(caches, [this.#reconciler], [this.#watchNodes(), this.#watchPods()]);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  #watchNodes(): Disposable {
    const onChange = (node: Node): void => {
      for (const pod of this.#pods.lister.byIndex(podsByNode, node.metadata.name ?? '')) {
        this.#reconciler.enqueue(objectKey(pod), node.metadata.resourceVersion);
      }
    };
    return this.#nodes.addHandler({
      onAdd: (node) => {
        if (noExecuteTaints(node).length > 0) onChange(node);
      },
      onUpdate: (before, node) => {
        if (!jsonEqual(noExecuteTaints(before), noExecuteTaints(node))) onChange(node);
      },
    });
  }

  #watchPods(): Disposable {
    const enqueue = (pod: Pod): void => {
      if (pod.spec.nodeName) this.#reconciler.enqueue(objectKey(pod), pod.metadata.resourceVersion);
    };
    return this.#pods.addHandler({
      onAdd: enqueue,
      onUpdate: (before, pod) => {
        if (before.spec.nodeName !== pod.spec.nodeName || before.spec.tolerations !== pod.spec.tolerations)
          enqueue(pod);
      },
      onDelete: (pod) => this.#scheduled.delete(objectKey(pod)),
    });
  }

  async #sync(context: Context, key: string): Promise<void> {
    const pod = this.#pods.lister.get(key);
    if (!pod || pod.metadata.deletionTimestamp || isPodFinished(pod)) {
      this.#scheduled.delete(key);
      return;
    }
    const node = this.#nodes.lister.get(pod.spec.nodeName ?? '');
    const delayMs = node ? evictionDelayMs(pod, noExecuteTaints(node)) : undefined;
    if (delayMs === undefined) {
      if (this.#scheduled.delete(key)) this.#event(pod, `Cancelling deletion of Pod ${key}`);
      return;
    }
    if (delayMs === Number.POSITIVE_INFINITY) return;
    const nowMs = this.#options.clock.now();
    const scheduled = this.#scheduled.get(key);
    const earlierMs = scheduled && scheduled.uid === pod.metadata.uid ? scheduled.dueMs : Number.POSITIVE_INFINITY;
    const dueMs = Math.min(nowMs + delayMs, earlierMs);
    this.#scheduled.set(key, { dueMs, uid: pod.metadata.uid });
    if (dueMs > nowMs) this.#reconciler.enqueueAfter(key, dueMs - nowMs, context.cause?.revision);
    else await this.#evict(context, pod);
  }

  async #evict(context: Context, pod: Pod): Promise<void> {
    const { client, clock } = this.#options;
    const { namespace = '', name = '', uid } = pod.metadata;
    this.#event(pod, `Marking for deletion Pod ${objectKey(pod)}`);
    const resource = client.resource<Pod>(pods);
    const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget');
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
      message: 'Taint manager: deleting due to NoExecute taint',
      lastTransitionTime: formatTime(clock.now()),
    };
    try {
      const patch = { metadata: { uid }, status: { conditions: [...others, condition] } };
      await resource.patch(context, namespace, name, 'merge', patch, { subresource: 'status' });
      await resource.delete(context, namespace, name, uid ? { preconditions: { uid } } : {});
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
    this.#scheduled.delete(objectKey(pod));
  }

  #event(pod: Pod, message: string): void {
    this.#options.recorder.event(pod, 'Normal', 'TaintManagerEviction', message);
  }
}

function noExecuteTaints(node: Node): readonly Taint[] {
  return (node.spec.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
}

/**
 * How long `pod` may stay beside `taints`: 0 when one of them is not tolerated, the shortest of the tolerations that set
 * a limit, Infinity when none does, undefined without taints.
 */
function evictionDelayMs(pod: Pod, taints: readonly Taint[]): number | undefined {
  if (taints.length === 0) return undefined;
  let delayMs = Number.POSITIVE_INFINITY;
  for (const taint of taints) {
    const tolerations = (pod.spec.tolerations ?? []).filter((toleration) => toleratesTaint(toleration, taint));
    if (tolerations.length === 0) return 0;
    for (const { tolerationSeconds } of tolerations) {
      if (tolerationSeconds !== undefined) delayMs = Math.min(delayMs, Math.max(0, tolerationSeconds * 1000));
    }
  }
  return delayMs;
}
