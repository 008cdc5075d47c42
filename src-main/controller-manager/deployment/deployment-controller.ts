import type { Deployment, Pod, ReplicaSet } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import type { Informer, Reconciler } from '#client/client';
import { matchesLabelSelector } from '#client/label-selectors';
import { controllerOf } from '#client/owner-references';
import { createReconciler } from '#client/reconciler';
import { deployments, pods, replicaSets } from '#client/resources';
import { deploymentKind, ownerKey } from '../controller-ref.ts';
import { claim, isEmptySelector } from '../controller-ref-manager.ts';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { OwnedIndex } from '../owned-index.ts';
import { causeOf } from '../pod-control.ts';
import { isPodFinished } from '../pod-status.ts';
import { DeploymentSync, type DeploymentParts } from './deployment-sync.ts';
import { condition, deadlineMs, hasProgressDeadline, isComplete, newCondition, reasons } from './deployment-status.ts';
import { isRollingUpdate } from './rolling-update.ts';

/** Status changes of a replica set within this time are answered by one sync. */
const batchMs = 20;

/** Rolls templates out over ReplicaSets (kube-controller-manager `DeploymentController`, release 1.36). */
export class DeploymentController implements Controller {
  readonly #options: ControllerOptions;
  readonly #parts: DeploymentParts;
  readonly #deployments: Informer<Deployment>;
  readonly #replicaSets: Informer<ReplicaSet>;
  readonly #replicaSetsOf: OwnedIndex<ReplicaSet>;
  readonly #podsOf: OwnedIndex<Pod>;
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: ControllerOptions) {
    const { client, informers, recorder, clock } = options;
    this.#options = options;
    this.#parts = {
      deployments: client.resource(deployments),
      replicaSets: client.resource(replicaSets),
      recorder,
      clock,
    };
    this.#deployments = informers.informer<Deployment>(deployments);
    this.#replicaSets = informers.informer<ReplicaSet>(replicaSets);
    const podInformer = informers.informer<Pod>(pods);
    this.#replicaSetsOf = new OwnedIndex(this.#replicaSets);
    this.#podsOf = new OwnedIndex(podInformer);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'deployment', workers: 5, sync });
    this.#life = new ControllerLife(
      [this.#deployments, this.#replicaSets, podInformer],
      [this.#reconciler],
      [
        this.#watchDeployments(),
        this.#watchReplicaSets(),
        podInformer.addHandler({ onDelete: (pod) => this.#podGone(pod) }),
      ],
    );
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  #watchDeployments(): Disposable {
    const enqueue = (object: Deployment): void =>
      this.#reconciler.enqueue(objectKey(object), object.metadata.resourceVersion);
    return this.#deployments.addHandler({
      onAdd: enqueue,
      onUpdate: (before, after) => {
        if (before.metadata.resourceVersion !== after.metadata.resourceVersion) enqueue(after);
      },
    });
  }

  #watchReplicaSets(): Disposable {
    return this.#replicaSets.addHandler({
      onAdd: (replicaSet) => this.#enqueueOwner(replicaSet, 0),
      onUpdate: (before, after) => {
        if (before.metadata.resourceVersion === after.metadata.resourceVersion) return;
        if (controllerOf(before)?.uid !== controllerOf(after)?.uid) this.#enqueueOwner(before, 0);
        this.#enqueueOwner(after, batchMs);
      },
      onDelete: (replicaSet) => this.#enqueueOwner(replicaSet, 0),
    });
  }

  #enqueueOwner(replicaSet: ReplicaSet, delayMs: number): void {
    const revision = replicaSet.metadata.resourceVersion;
    const key = ownerKey(replicaSet, deploymentKind);
    if (key !== undefined) {
      this.#reconciler.enqueueAfter(key, delayMs, revision);
      return;
    }
    if (controllerOf(replicaSet)) return;
    for (const deployment of this.#deployments.lister.list(replicaSet.metadata.namespace)) {
      const { selector } = deployment.spec;
      if (isEmptySelector(selector) || !matchesLabelSelector(selector, replicaSet.metadata.labels)) continue;
      this.#reconciler.enqueue(objectKey(deployment), revision);
    }
  }

  /** A Recreate deployment waits for its last old pod. */
  #podGone(pod: Pod): void {
    const replicaSetUid = controllerOf(pod)?.uid;
    if (replicaSetUid === undefined || this.#podsOf.ownedByUid(replicaSetUid).length > 0) return;
    const replicaSet = this.#replicaSets.lister.get(`${pod.metadata.namespace ?? ''}/${controllerOf(pod)?.name ?? ''}`);
    const key = replicaSet ? ownerKey(replicaSet, deploymentKind) : undefined;
    if (key === undefined) return;
    const deployment = this.#deployments.lister.get(key);
    if (deployment && !isRollingUpdate(deployment)) this.#reconciler.enqueue(key, pod.metadata.resourceVersion);
  }

  async #sync(context: Context, key: string): Promise<void> {
    const deployment = this.#deployments.lister.get(key);
    if (!deployment) return;
    if (isEmptySelector(deployment.spec.selector)) {
      const text = 'This deployment is selecting all pods. A non-empty selector is required.';
      this.#options.recorder.event(deployment, 'Warning', 'SelectingAll', text, causeOf(context));
      return;
    }
    const owned = await claim(context, {
      owner: deployment,
      owners: this.#parts.deployments,
      selector: deployment.spec.selector,
      owned: this.#replicaSetsOf,
      resource: this.#parts.replicaSets,
    });
    const rollout = new DeploymentSync(this.#parts, context, deployment, owned);
    if (deployment.metadata.deletionTimestamp) return rollout.writeStatusOnly();
    await this.#notePause(rollout, deployment);
    if (deployment.spec.paused || rollout.isScalingEvent()) await rollout.scale();
    else if (isRollingUpdate(deployment)) await rollout.rollingUpdate();
    else await rollout.recreate((current) => this.#hasOldPods(owned, current));
    this.#checkDeadlineLater(key, rollout.deployment);
  }

  /** A pause must not run into the progress deadline: the condition says so, and says when it ended. */
  async #notePause(rollout: DeploymentSync, deployment: Deployment): Promise<void> {
    const progressing = condition(deployment.status?.conditions, 'Progressing');
    if (!hasProgressDeadline(deployment) || progressing?.reason === reasons.timedOut) return;
    const paused = deployment.spec.paused === true;
    const noted = progressing?.reason === reasons.paused;
    if (paused === noted) return;
    const [reason, text] = paused
      ? ([reasons.paused, 'Deployment is paused'] as const)
      : ([reasons.resumed, 'Deployment is resumed'] as const);
    await rollout.writeCondition(newCondition(this.#options.clock.now(), 'Progressing', 'Unknown', reason, text));
  }

  #hasOldPods(owned: readonly ReplicaSet[], current: ReplicaSet | undefined): boolean {
    return owned
      .filter((replicaSet) => replicaSet.metadata.uid !== current?.metadata.uid)
      .some((replicaSet) => this.#podsOf.ownedBy(replicaSet).some((pod) => !isPodFinished(pod)));
  }

  /** Nothing changes when a rollout gets stuck: only the clock tells. */
  #checkDeadlineLater(key: string, deployment: Deployment): void {
    const progressing = condition(deployment.status?.conditions, 'Progressing');
    if (!progressing || !hasProgressDeadline(deployment) || deployment.spec.paused) return;
    if (progressing.reason === reasons.timedOut || progressing.reason === reasons.newReplicaSetAvailable) return;
    if (isComplete(deployment, deployment.status ?? {})) return;
    const leftMs = deadlineMs(deployment, progressing) - this.#options.clock.now();
    this.#reconciler.enqueueAfter(key, Math.max(0, leftMs) + 1000);
  }
}
