import type { Eviction, Pod, PodDisruptionBudget } from '#api/gen/types';
import { matchesSelector, selectorOf } from '#api/machinery/labels';
import { isConditionTrue } from '#api/machinery/meta';
import type { KubeObject } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import { formatTime, type Clock } from '#base/clock';
import { deepFreeze } from '#base/freeze';
import type { ApiResponse } from '../../request.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { readBody } from '../body.ts';
import { readDeleteOptions } from '../delete-options.ts';
import type { Deletes } from '../deletes.ts';
import type { Reads } from '../reads.ts';
import { successResponse } from '../responses.ts';
import { originOf, type RequestScope } from '../scope.ts';
import type { ServedResource } from '../served-resource.ts';

type Budget = PodDisruptionBudget & KubeObject;

const tooMany = "Cannot evict pod as it would violate the pod's disruption budget.";

/**
 * `pods/eviction`: a deletion that asks the pod's disruption budget first (upstream: `EvictionREST`, release 1.36). Pods
 * that run nothing are evicted whatever their budget says.
 */
export class EvictionSubresource {
  readonly #reads: Reads;
  readonly #deletes: Deletes;
  readonly #store: ObjectStore;
  readonly #budgets: ServedResource | undefined;
  readonly #clock: Clock;

  constructor(reads: Reads, deletes: Deletes, store: ObjectStore, budgets: ServedResource | undefined, clock: Clock) {
    this.#reads = reads;
    this.#deletes = deletes;
    this.#store = store;
    this.#budgets = budgets;
    this.#clock = clock;
  }

  async create(scope: RequestScope): Promise<ApiResponse> {
    const { request, info } = scope;
    const eviction = readBody(request.body, 'policy/v1', 'Eviction') as Eviction & KubeObject;
    const options = readDeleteOptions({ ...request, body: eviction.deleteOptions });
    const pod = (await this.#reads.get(scope)) as Pod & KubeObject;
    if (!isBeyondBudget(pod) && !options.dryRun) await this.#chargeBudget(scope, pod);
    await this.#deletes.deleteOne(scope, info.namespace, info.name, options);
    return successResponse();
  }

  async #chargeBudget(scope: RequestScope, pod: Pod & KubeObject): Promise<void> {
    const budgets = this.#budgets;
    if (!budgets?.cache) return;
    const covering = budgets.cache.snapshot(scope.info.namespace).objects.filter((object) => {
      const { spec } = object as Budget;
      return spec?.selector !== undefined && matchesSelector(selectorOf(spec.selector), pod.metadata.labels);
    });
    if (covering.length > 1) {
      const message =
        'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
      throw new StatusError('InternalError', message);
    }
    const [budget] = covering;
    if (!budget || isFree(pod, budget as Budget)) return;
    const { namespace = '', name = '' } = budget.metadata;
    await this.#store.update(
      scope.context,
      budgets,
      namespace,
      name,
      { origin: originOf(scope), dryRun: false, suggestion: budget },
      (current) => ({ next: deepFreeze(charged(current as Budget, pod.metadata.name ?? '', this.#clock.now())) }),
    );
  }
}

function isBeyondBudget({ metadata, status }: Pod & KubeObject): boolean {
  const phase = status?.phase;
  return metadata.deletionTimestamp !== undefined || phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending';
}

/**
 * A pod that is not ready counts for nothing in its budget. It may go if the budget says always
 * (`unhealthyPodEvictionPolicy`), or if the healthy ones are enough without it.
 */
function isFree({ status }: Pod, budget: Budget): boolean {
  if (isConditionTrue(status?.conditions, 'Ready')) return false;
  if (budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {};
  return desiredHealthy > 0 && currentHealthy >= desiredHealthy;
}

function charged(budget: Budget, pod: string, nowMs: number): Budget {
  const { metadata, status } = budget;
  const name = metadata.name ?? '';
  if (!status || (status.observedGeneration ?? 0) < (metadata.generation ?? 0)) {
    throw refusal(`The disruption budget ${name} is still being processed by the server.`, 10);
  }
  const { disruptionsAllowed = 0 } = status;
  if (disruptionsAllowed <= 0) {
    throw refusal(
      `The disruption budget ${name} needs ${status.desiredHealthy} healthy pods and has ${status.currentHealthy} currently`,
    );
  }
  return {
    ...budget,
    status: {
      ...status,
      disruptionsAllowed: disruptionsAllowed - 1,
      disruptedPods: { ...status.disruptedPods, [pod]: formatTime(nowMs) },
    },
  };
}

function refusal(message: string, retryAfterSeconds?: number): StatusError {
  return new StatusError('TooManyRequests', tooMany, {
    causes: [{ reason: 'DisruptionBudget', message }],
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}
