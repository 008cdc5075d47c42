import type { LabelSelector, Pod } from '#api/gen/types';
import { objectKey, type KubeObject } from '#api/machinery/object';
import type { Disposable } from '#base/disposable';
import type { Informer } from '#client/client';
import type { Expectations } from '#client/expectations';
import { matchesLabelSelector } from '#client/label-selectors';
import { controllerOf } from '#client/owner-references';
import { isEmptySelector } from './controller-ref-manager.ts';
import { ownerKey, type ControllerKind } from './controller-ref.ts';

export interface PodEventsOptions<Owner extends KubeObject> {
  readonly pods: Informer<Pod>;
  readonly owners: Informer<Owner>;
  readonly kind: ControllerKind;
  readonly selector: (owner: Owner) => LabelSelector | undefined;
  readonly expectations?: Expectations;
  /** `soon` marks changes of a pod's status: many come at once and one sync may answer all of them. */
  readonly enqueue: (key: string, urgency: 'now' | 'soon', causeRevision?: string) => void;
}

/**
 * Turns changes of pods into keys of the owners that must look at them and counts expectations down: what `addPod`,
 * `updatePod` and `deletePod` are in every workload controller of kube-controller-manager (release 1.36).
 */
export function watchPods<Owner extends KubeObject>(options: PodEventsOptions<Owner>): Disposable {
  const router = new PodRouter(options);
  return options.pods.addHandler({
    onAdd: (pod) => router.added(pod),
    onUpdate: (before, after) => router.updated(before, after),
    onDelete: (pod) => router.deleted(pod),
  });
}

class PodRouter<Owner extends KubeObject> {
  readonly #options: PodEventsOptions<Owner>;

  constructor(options: PodEventsOptions<Owner>) {
    this.#options = options;
  }

  added(pod: Pod): void {
    // After a restart of the controller a pod that is already going away arrives as an addition.
    if (pod.metadata.deletionTimestamp) {
      this.deleted(pod);
      return;
    }
    const key = this.#ownerKey(pod);
    if (key === undefined) {
      if (!controllerOf(pod)) this.#enqueueAdopters(pod);
      return;
    }
    this.#options.expectations?.creationObserved(key);
    this.#options.enqueue(key, 'now', pod.metadata.resourceVersion);
  }

  updated(before: Pod, after: Pod): void {
    if (before.metadata.resourceVersion === after.metadata.resourceVersion) return;
    if (after.metadata.deletionTimestamp) {
      this.deleted(after);
      return;
    }
    const revision = after.metadata.resourceVersion;
    const ownerChanged = controllerOf(before)?.uid !== controllerOf(after)?.uid;
    const formerKey = ownerChanged ? this.#ownerKey(before) : undefined;
    if (formerKey !== undefined) this.#options.enqueue(formerKey, 'now', revision);
    const key = this.#ownerKey(after);
    if (key !== undefined) this.#options.enqueue(key, 'soon', revision);
    else if (!controllerOf(after) && (ownerChanged || before.metadata.labels !== after.metadata.labels)) {
      this.#enqueueAdopters(after);
    }
  }

  deleted(pod: Pod): void {
    const key = this.#ownerKey(pod);
    if (key === undefined) return;
    this.#options.expectations?.deletionObserved(key, objectKey(pod));
    this.#options.enqueue(key, 'now', pod.metadata.resourceVersion);
  }

  /** Undefined when the owner of that name is another object than the one the pod names. */
  #ownerKey(pod: Pod): string | undefined {
    const key = ownerKey(pod, this.#options.kind);
    if (key === undefined) return undefined;
    const owner = this.#options.owners.lister.get(key);
    return owner?.metadata.uid === controllerOf(pod)?.uid ? key : undefined;
  }

  #enqueueAdopters(pod: Pod): void {
    const { owners, selector, enqueue } = this.#options;
    for (const owner of owners.lister.list(pod.metadata.namespace)) {
      const wanted = selector(owner);
      if (isEmptySelector(wanted) || !matchesLabelSelector(wanted, pod.metadata.labels)) continue;
      enqueue(objectKey(owner), 'now', pod.metadata.resourceVersion);
    }
  }
}
