import type { Deployment, DeploymentStatus, ReplicaSet } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { EventRecorder, ResourceClient } from '#client/client';
import { causeOf } from '../pod-control.ts';
import { allAtOnce } from '../slow-start.ts';
import { semanticEqual } from '../template-hash.ts';
import { calculateStatus, rolloutStatus, withCondition } from './deployment-status.ts';
import { syncNewReplicaSet } from './new-replica-set.ts';
import {
  desiredReplicasAnnotation,
  expiredReplicaSets,
  findNewReplicaSet,
  maxRevision,
  replicasAnnotations,
} from './revision.ts';
import {
  isRollingUpdate,
  isSaturated,
  maxSurge,
  newReplicaSetSize,
  proportionalSizes,
  replicasOf,
  shrinkOldReplicaSets,
  type Scaling,
} from './rolling-update.ts';

/** What a sync writes with. */
export interface DeploymentParts {
  readonly deployments: ResourceClient<Deployment>;
  readonly replicaSets: ResourceClient<ReplicaSet>;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
}

/**
 * One look at one Deployment (kube-controller-manager `DeploymentController.syncDeployment`, release 1.36). Holds the
 * newest version of each object while the sync writes to them; lives for one sync only.
 */
export class DeploymentSync {
  readonly #parts: DeploymentParts;
  readonly #context: Context;
  #deployment: Deployment;
  #old: readonly ReplicaSet[];
  #current: ReplicaSet | undefined;

  constructor(parts: DeploymentParts, context: Context, deployment: Deployment, replicaSets: readonly ReplicaSet[]) {
    this.#parts = parts;
    this.#context = context;
    this.#deployment = deployment;
    this.#current = findNewReplicaSet(deployment, replicaSets);
    this.#old = replicaSets.filter((replicaSet) => replicaSet !== this.#current);
  }

  get deployment(): Deployment {
    return this.#deployment;
  }

  get #all(): readonly ReplicaSet[] {
    return this.#current ? [...this.#old, this.#current] : this.#old;
  }

  /** Whether the deployment's size changed since its replica sets were last scaled. */
  isScalingEvent(): boolean {
    const wanted = String(replicasOf(this.#deployment));
    return this.#all.some(({ spec, metadata }) => {
      const desired = metadata.annotations?.[desiredReplicasAnnotation];
      return (spec.replicas ?? 1) > 0 && desired !== undefined && desired !== wanted;
    });
  }

  /** Paused or resized: no update moves on, sizes follow. */
  async scale(): Promise<void> {
    await this.#syncRevision('existing');
    await this.#scaleAll(this.#sizes());
    if (this.#deployment.spec.paused) await this.#cleanUp();
    await this.writeStatusOnly();
  }

  async writeStatusOnly(): Promise<void> {
    await this.#writeStatus(calculateStatus(this.#deployment, this.#all, this.#current, this.#parts.clock.now()));
  }

  async rollingUpdate(): Promise<void> {
    await this.#syncRevision('create');
    const current = this.#current;
    if (!current || (await this.#scaleAll(this.#growth(current)))) return this.#finishRollout('underway');
    const shrunk = await this.#scaleAll(shrinkOldReplicaSets(this.#deployment, this.#old, current));
    return this.#finishRollout(shrunk ? 'underway' : 'settled');
  }

  /** `hasOldPods` looks at pods, not at sizes: the old ones must be gone before new ones start. */
  async recreate(hasOldPods: (current: ReplicaSet | undefined) => boolean): Promise<void> {
    await this.#syncRevision('existing');
    const down = this.#old.map((replicaSet) => ({ replicaSet, size: 0 }));
    if (await this.#scaleAll(down)) return this.#finishRollout('underway');
    if (this.#old.some(({ status }) => (status?.replicas ?? 0) > 0) || hasOldPods(this.#current)) {
      return this.#finishRollout('underway');
    }
    if (!this.#current) await this.#syncRevision('create');
    if (this.#current) await this.#scaleAll([{ replicaSet: this.#current, size: replicasOf(this.#deployment) }]);
    return this.#finishRollout('settled');
  }

  /** Sets a condition that says the deployment was paused or resumed. */
  async writeCondition(next: Parameters<typeof withCondition>[1]): Promise<void> {
    const status = this.#deployment.status ?? {};
    await this.#writeStatus({ ...status, conditions: withCondition(status.conditions, next) });
  }

  async #finishRollout(state: 'underway' | 'settled'): Promise<void> {
    const status = rolloutStatus(this.#deployment, this.#all, this.#current, this.#parts.clock.now());
    const wanted = replicasOf(this.#deployment);
    const { updatedReplicas = 0, replicas = 0, availableReplicas = 0 } = status;
    if (state === 'settled' && [updatedReplicas, replicas, availableReplicas].every((count) => count === wanted)) {
      await this.#cleanUp();
    }
    await this.#writeStatus(status);
  }

  /** Makes the revision annotations true; with `create` there is a new replica set afterwards. */
  async #syncRevision(missing: 'create' | 'existing'): Promise<void> {
    const revision = maxRevision(this.#old) + 1;
    const all = this.#all;
    if (!this.#current && missing === 'existing') return;
    const result = await syncNewReplicaSet(this.#context, this.#parts, {
      deployment: this.#deployment,
      existing: this.#current,
      all,
      revision,
    });
    this.#deployment = result.deployment;
    this.#current = result.current;
  }

  #growth(current: ReplicaSet): readonly Scaling[] {
    const size = replicasOf(current);
    const wanted = replicasOf(this.#deployment);
    if (size === wanted) return [];
    if (size > wanted) return [{ replicaSet: current, size: wanted }];
    return [{ replicaSet: current, size: newReplicaSetSize(this.#deployment, this.#all, size) }];
  }

  /** `scale` of the deployment controller: which sizes follow from the deployment's own. */
  #sizes(): readonly Scaling[] {
    const deployment = this.#deployment;
    const active = this.#all.filter((replicaSet) => replicasOf(replicaSet) > 0);
    const only =
      active.length === 1 ? active[0] : active.length === 0 ? (this.#current ?? this.#newestOld()) : undefined;
    if (only)
      return replicasOf(only) === replicasOf(deployment) ? [] : [{ replicaSet: only, size: replicasOf(deployment) }];
    const desired = this.#current?.metadata.annotations?.[desiredReplicasAnnotation];
    if (isSaturated(deployment, this.#current, desired === undefined ? undefined : Number(desired))) {
      return this.#old.map((replicaSet) => ({ replicaSet, size: 0 }));
    }
    return isRollingUpdate(deployment) ? proportionalSizes(deployment, active) : [];
  }

  #newestOld(): ReplicaSet | undefined {
    const created = ({ metadata }: ReplicaSet): string => metadata.creationTimestamp ?? '';
    return [...this.#old].sort((a, b) => (created(a) < created(b) ? 1 : -1))[0];
  }

  /** True when a size changed. Annotations about sizes are brought up to date as well. */
  async #scaleAll(scalings: readonly Scaling[]): Promise<boolean> {
    let resized = false;
    for (const { replicaSet, size } of scalings) {
      const before = replicasOf(replicaSet);
      if (before === size && size === 0) continue;
      const desired = replicasOf(this.#deployment);
      const max = desired + maxSurge(this.#deployment);
      const annotations = replicasAnnotations(replicaSet.metadata.annotations, desired, max);
      if (before === size && annotations === replicaSet.metadata.annotations) continue;
      const scaled = await this.#parts.replicaSets.update(this.#context, {
        ...replicaSet,
        metadata: { ...replicaSet.metadata, annotations },
        spec: { ...replicaSet.spec, replicas: size },
      });
      this.#replace(replicaSet, scaled);
      if (before === size) continue;
      resized = true;
      const text = `Scaled ${size > before ? 'up' : 'down'} replica set ${scaled.metadata.name} from ${before} to ${size}`;
      this.#parts.recorder.event(this.#deployment, 'Normal', 'ScalingReplicaSet', text, causeOf(this.#context));
    }
    return resized;
  }

  #replace(before: ReplicaSet, after: ReplicaSet): void {
    if (this.#current === before) this.#current = after;
    this.#old = this.#old.map((replicaSet) => (replicaSet === before ? after : replicaSet));
  }

  async #cleanUp(): Promise<void> {
    const limit = this.#deployment.spec.revisionHistoryLimit;
    if (limit === undefined || limit === 2 ** 31 - 1) return;
    await allAtOnce(expiredReplicaSets(this.#old, limit), async ({ metadata: { namespace = '', name = '' } }) => {
      try {
        await this.#parts.replicaSets.delete(this.#context, namespace, name);
      } catch (error) {
        if (!isStatus(error, 'NotFound')) throw error;
      }
    });
  }

  async #writeStatus(status: DeploymentStatus): Promise<void> {
    if (semanticEqual(status, this.#deployment.status)) return;
    // Conditions have a history: on top of a stale one the write must fail and the whole look be repeated.
    this.#deployment = await this.#parts.deployments.updateStatus(this.#context, { ...this.#deployment, status });
  }
}
