import type { Deployment, LabelSelector, Pod, PodDisruptionBudget, PodDisruptionBudgetStatus } from '#api/gen/types';
import type { ReplicaSet, ReplicationController, StatefulSet } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Informer, Reconciler } from '#client/client';
import { matchesLabelSelector } from '#client/label-selectors';
import { createReconciler } from '#client/reconciler';
import {
  deployments,
  podDisruptionBudgets,
  pods,
  replicaSets,
  replicationControllers,
  statefulSets,
} from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { semanticEqual } from '../template-hash.ts';
import { budgetStatus, disruptedPods, failedStatus } from './budget-status.ts';
import { expectedPods, type ExpectedPods, type ScaledOwners } from './expected-pods.ts';

/**
 * Keeps the status of PodDisruptionBudgets, by which evictions are granted (kube-controller-manager `disruption`, release
 * 1.36). The API server charges a granted eviction to the same status, so a write over a stale version must fail: the
 * budget is then worked out again.
 */
export class DisruptionController implements Controller {
  readonly #options: ControllerOptions;
  readonly #budgets: Informer<PodDisruptionBudget>;
  readonly #pods: Informer<Pod>;
  readonly #owners: ScaledOwners;
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { informers } = options;
    this.#budgets = informers.informer<PodDisruptionBudget>(podDisruptionBudgets);
    this.#pods = informers.informer<Pod>(pods);
    const owners = {
      replicationControllers: informers.informer<ReplicationController>(replicationControllers),
      deployments: informers.informer<Deployment>(deployments),
      replicaSets: informers.informer<ReplicaSet>(replicaSets),
      statefulSets: informers.informer<StatefulSet>(statefulSets),
    };
    this.#owners = {
      replicationControllers: owners.replicationControllers.lister,
      deployments: owners.deployments.lister,
      replicaSets: owners.replicaSets.lister,
      statefulSets: owners.statefulSets.lister,
    };
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'disruption', workers: 1, sync });
    const caches = [this.#budgets, this.#pods, ...Object.values(owners)];
    this.#life = new ControllerLife(caches, [this.#reconciler], [this.#watchBudgets(), this.#watchPods()]);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  #watchBudgets(): { dispose(): void } {
    const enqueue = (budget: PodDisruptionBudget): void =>
      this.#reconciler.enqueue(objectKey(budget), budget.metadata.resourceVersion);
    return this.#budgets.addHandler({ onAdd: enqueue, onUpdate: (_before, budget) => enqueue(budget) });
  }

  #watchPods(): { dispose(): void } {
    const enqueue = (pod: Pod, before = pod): void => {
      for (const budget of this.#budgets.lister.list(pod.metadata.namespace)) {
        if (selects(budget, pod) || selects(budget, before))
          this.#reconciler.enqueue(objectKey(budget), pod.metadata.resourceVersion);
      }
    };
    return this.#pods.addHandler({
      onAdd: (pod) => enqueue(pod),
      onUpdate: (before, pod) => enqueue(pod, before),
      onDelete: (pod) => enqueue(pod),
    });
  }

  async #sync(context: Context, key: string): Promise<void> {
    const budget = this.#budgets.lister.get(key);
    if (!budget) return;
    const { clock, logger } = this.#options;
    try {
      await this.#update(context, key, budget);
    } catch (error) {
      context.check();
      if (isStatus(error, 'NotFound')) return;
      if (isStatus(error, 'Conflict')) throw error;
      logger.warn('failed to work out a disruption budget', { budget: key, error: messageOf(error) });
      await this.#write(context, budget, failedStatus(budget, messageOf(error), clock.now()));
    }
  }

  async #update(context: Context, key: string, budget: PodDisruptionBudget): Promise<void> {
    const { clock, recorder } = this.#options;
    const { namespace = '', name = '' } = budget.metadata;
    const selected = this.#pods.lister.list(namespace).filter((pod) => selects(budget, pod));
    if (selected.length === 0) recorder.event(budget, 'Normal', 'NoPods', 'No matching pods found');
    const counted = this.#count(budget, selected);
    const nowMs = clock.now();
    const { pending, overdue, recheckMs } = disruptedPods(budget, selected, nowMs);
    for (const pod of overdue) {
      const message = `Pod was expected by PDB ${namespace}/${name} to be deleted but it wasn't`;
      recorder.event(pod, 'Warning', 'NotDeleted', message, budget.metadata.resourceVersion);
    }
    await this.#write(context, budget, budgetStatus(budget, selected, counted, pending, nowMs));
    if (recheckMs !== undefined) this.#reconciler.enqueueAfter(key, recheckMs);
  }

  #count(budget: PodDisruptionBudget, selected: readonly Pod[]): ExpectedPods {
    const { recorder } = this.#options;
    try {
      const counted = expectedPods(budget, selected, this.#owners);
      if (counted.unmanaged.length > 0) recorder.event(budget, 'Warning', 'UnmanagedPods', unmanagedText(budget));
      return counted;
    } catch (error) {
      const message = `Failed to calculate the number of expected pods: ${messageOf(error)}`;
      recorder.event(budget, 'Warning', 'CalculateExpectedPodCountFailed', message);
      throw error;
    }
  }

  async #write(context: Context, budget: PodDisruptionBudget, status: PodDisruptionBudgetStatus): Promise<void> {
    if (semanticEqual(status, budget.status)) return;
    const client = this.#options.client.resource<PodDisruptionBudget>(podDisruptionBudgets);
    await client.updateStatus(context, { ...budget, status });
  }
}

function selects({ spec }: PodDisruptionBudget, { metadata }: Pod): boolean {
  return matchesLabelSelector(spec?.selector, metadata.labels);
}

function unmanagedText({ spec }: PodDisruptionBudget): string {
  const selector = formatSelector(spec?.selector ?? {});
  return `Pods selected by this PodDisruptionBudget (selector: ${selector}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`;
}

/** As Go prints the type. */
function formatSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const names = Object.keys(matchLabels).sort();
  const labels = names.map((name) => `${name}: ${matchLabels[name]},`).join('');
  const expressions = matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${labels}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}
