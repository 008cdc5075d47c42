import type { Node, Pod } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { Pacer } from '#base/pacer';
import type { Random } from '#base/random';
import type { EventRecorder, Informer, InformerFactory, KubeClient } from '#client/client';
import { nodes, pods } from '#client/resources';
import { fitErrorMessage, placePod, type Placement, type Plugins } from './algorithm.ts';
import { SchedulerCache } from './cache.ts';
import type { Decision } from './framework.ts';
import { nodeEvents } from './node-events.ts';
import type { NodeState } from './node-state.ts';
import { planPreemption, type PreemptionPlan } from './preemption.ts';
import { SchedulingQueue, type QueuedPod } from './queue.ts';
import { evictVictims, writeUnschedulable } from './unschedulable.ts';

export interface SchedulingLoopOptions {
  readonly client: KubeClient;
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly recorder: EventRecorder;
  readonly plugins: Plugins;
  /** Pods that name another scheduler are left alone. */
  readonly schedulerName: string;
  /** Told of every decision. */
  readonly onDecision: (decision: Decision) => void;
}

/** Bindings under way at once. More would only queue in the API server. */
const maxBindings = 128;

/**
 * One life of a scheduler: takes pods from the queue one after another, decides at once, and binds in the background
 * while the next pod is decided on (`scheduleOne`, release 1.36).
 */
export class SchedulingLoop {
  readonly #options: SchedulingLoopOptions;
  readonly #cache = new SchedulerCache();
  readonly #queue: SchedulingQueue;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #pacer = new Pacer();
  #context: Context | undefined;
  #deciding = false;
  #bindings = 0;

  constructor(options: SchedulingLoopOptions) {
    this.#options = options;
    this.#queue = new SchedulingQueue(options.clock, () => this.#wake());
    this.#pods = options.informers.informer<Pod>(pods);
    this.#nodes = options.informers.informer<Node>(nodes);
    this.#pods.addHandler({
      onAdd: (pod) => this.#podAdded(pod),
      onUpdate: (before, pod) => this.#podUpdated(before, pod),
      onDelete: (pod) => this.#podDeleted(pod),
    });
    this.#nodes.addHandler({
      onAdd: (node) => this.#nodeChanged(undefined, node),
      onUpdate: (before, node) => this.#nodeChanged(before, node),
      onDelete: (node) => {
        this.#cache.removeNode(node.metadata.name ?? '');
        this.#queue.moveFor('NodeDelete');
      },
    });
  }

  get counts(): SchedulingQueue['counts'] {
    return this.#queue.counts;
  }

  /** Decides until `context` ends. The informers have to be started by the caller. */
  async run(context: Context): Promise<void> {
    await Promise.all([this.#pods.waitForSync(context), this.#nodes.waitForSync(context)]);
    this.#context = context;
    this.#queue.start();
    this.#wake();
    await new Promise<void>((resolve) => context.onEnd(resolve));
    this.#queue.close();
  }

  #wake(): void {
    if (this.#deciding || !this.#context || this.#context.ended) return;
    this.#deciding = true;
    const context = this.#context;
    // After this turn: the handler that woke us may be in the middle of a batch.
    void Promise.resolve()
      .then(() => this.#decideAll(context))
      .catch((error: unknown) => {
        this.#options.logger.error('scheduling failed: this is a bug', { error: messageOf(error) });
      })
      .finally(() => {
        this.#deciding = false;
        if (this.#queue.counts.active > 0 && this.#bindings < maxBindings) this.#wake();
      });
  }

  async #decideAll(context: Context): Promise<void> {
    while (!context.ended && this.#bindings < maxBindings) {
      const queued = this.#queue.pop();
      if (!queued) return;
      this.#decide(context, queued);
      await this.#pacer.pace();
    }
  }

  #decide(context: Context, queued: QueuedPod): void {
    // The informer may know better than the queue: bound by somebody else, or gone.
    const pod = this.#pods.lister.get(queued.key);
    if (!pod || pod.spec.nodeName || pod.metadata.deletionTimestamp || this.#cache.isAssumed(queued.key)) return;
    const current = { ...queued, pod };
    const placement = placePod(pod, this.#cache, this.#options.plugins, this.#options.random);
    this.#bindings++;
    const work = placement.node
      ? this.#assign(context, current, placement, placement.node)
      : this.#refuse(context, current, placement);
    void work.finally(() => {
      this.#bindings--;
      this.#wake();
    });
  }

  async #assign(context: Context, queued: QueuedPod, placement: Placement, state: NodeState): Promise<void> {
    const { pod, key } = queued;
    const { client, recorder, logger } = this.#options;
    const { namespace = '', name = '', uid } = pod.metadata;
    this.#cache.unnominate(key);
    this.#cache.assume(pod, state.name);
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, ...(uid ? { uid } : {}) },
      target: { kind: 'Node', name: state.name },
    };
    const on = this.#inCause(context, pod);
    try {
      await client.resource<Pod>(pods).createSubresource(on.context, namespace, name, 'binding', binding);
      const message = `Successfully assigned ${namespace}/${name} to ${state.name}`;
      recorder.event(pod, 'Normal', 'Scheduled', message);
      this.#remember(pod, placement, 'assigned', message, state.name);
    } catch (error) {
      this.#cache.forget(key);
      if (context.ended || error instanceof CancelledError) return;
      const message = `binding rejected: ${messageOf(error)}`;
      this.#remember(pod, placement, 'bindFailed', message, state.name);
      if (isStatus(error, 'NotFound')) return;
      logger.warn('binding failed', { pod: key, node: state.name, error: messageOf(error) });
      recorder.event(pod, 'Warning', 'FailedScheduling', message);
      this.#queue.addAfterError(queued);
      this.#queue.moveFor('AssignedPodDelete');
    } finally {
      on.cancel();
    }
  }

  async #refuse(context: Context, queued: QueuedPod, placement: Placement): Promise<void> {
    const { pod, key } = queued;
    const nodeCount = this.#cache.nodes.length;
    const on = this.#inCause(context, pod);
    let message = 'no nodes available to schedule pods';
    let nominated = '';
    try {
      let plan: PreemptionPlan | undefined;
      if (nodeCount > 0) {
        const result = planPreemption(pod, placement, this.#cache, this.#options.plugins);
        message = fitErrorMessage(nodeCount, placement.rejected);
        if ('plan' in result) plan = result.plan;
        // The first half is what the dynamic resources plugin always answers when no claims are involved.
        else message += ` no new claims to deallocate, preemption: ${result.message}`;
      }
      nominated = plan?.nodeName ?? '';
      if (plan) this.#cache.nominate(pod, plan.nodeName);
      this.#queue.addUnschedulable(queued, placement.events);
      this.#remember(pod, placement, 'unschedulable', message, nominated);
      this.#options.recorder.event(pod, 'Warning', 'FailedScheduling', message);
      await writeUnschedulable(on.context, this.#options, pod, message, nominated);
      if (plan) await evictVictims(on.context, this.#options, pod, plan);
    } catch (error) {
      if (context.ended || isStatus(error, 'NotFound')) return;
      this.#options.logger.warn('could not record that a pod is unschedulable', { pod: key, error: messageOf(error) });
      // Without the room being made, waiting for it would be waiting for ever.
      if (nominated) this.#queue.add(pod);
    } finally {
      on.cancel();
    }
  }

  #podAdded(pod: Pod): void {
    if (isFinished(pod)) return;
    if (pod.spec.nodeName) {
      this.#cache.add(pod);
      this.#queue.moveFor('AssignedPodAdd');
    } else if (this.#isOurs(pod)) {
      if (pod.status?.nominatedNodeName) this.#cache.nominate(pod, pod.status.nominatedNodeName);
      this.#queue.add(pod);
    }
  }

  #podUpdated(before: Pod, pod: Pod): void {
    if (before.metadata.uid !== pod.metadata.uid || isFinished(pod)) {
      this.#podDeleted(before);
      this.#podAdded(pod);
    } else if (pod.spec.nodeName) {
      const key = objectKey(pod);
      this.#queue.delete(key);
      this.#cache.unnominate(key);
      this.#cache.add(pod);
      const wasAssigned = Boolean(before.spec.nodeName);
      if (!wasAssigned) this.#queue.moveFor('AssignedPodAdd');
      else if (before.metadata.labels !== pod.metadata.labels || before.spec !== pod.spec) {
        if (isChanged(before, pod)) this.#queue.moveFor('AssignedPodUpdate');
      }
    } else if (this.#isOurs(pod) && !this.#cache.isAssumed(objectKey(pod))) this.#queue.update(before, pod);
  }

  #podDeleted(pod: Pod): void {
    const key = objectKey(pod);
    this.#queue.delete(key);
    this.#cache.unnominate(key);
    this.#cache.remove(key);
    if (pod.spec.nodeName) this.#queue.moveFor('AssignedPodDelete');
  }

  #nodeChanged(before: Node | undefined, node: Node): void {
    this.#cache.setNode(node);
    for (const event of nodeEvents(before, node)) this.#queue.moveFor(event);
  }

  #isOurs(pod: Pod): boolean {
    const { schedulerName = 'default-scheduler' } = pod.spec;
    return schedulerName === this.#options.schedulerName && !pod.metadata.deletionTimestamp;
  }

  #inCause(context: Context, pod: Pod): { context: Context; cancel: () => void } {
    const { random } = this.#options;
    const revision = pod.metadata.resourceVersion;
    const { context: own, cancel } = context.withCancel();
    const cause = { traceId: random.hex(32), spanId: random.hex(16), ...(revision ? { revision } : {}) };
    return { context: own.withCause(cause), cancel };
  }

  #remember(pod: Pod, placement: Placement, outcome: Decision['outcome'], message: string, node: string): void {
    this.#options.onDecision({
      pod: objectKey(pod),
      uid: pod.metadata.uid ?? '',
      timeMs: this.#options.clock.now(),
      outcome,
      ...(node ? { node } : {}),
      message,
      scores: placement.scores,
      rejected: placement.rejected,
    });
  }
}

function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** Whether something changed that other pods' chances depend on: labels, or what the pod asks for. */
function isChanged(before: Pod, pod: Pod): boolean {
  const relevant = ({ metadata, spec }: Pod): string =>
    JSON.stringify([metadata.labels, spec.containers.map(({ resources }) => resources)]);
  return relevant(before) !== relevant(pod);
}
