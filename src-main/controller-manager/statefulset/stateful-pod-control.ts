import type { PersistentVolumeClaim, Pod, StatefulSet } from '#api/gen/types';
import type { GroupVersionResource } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Draft, EventRecorder, KubeClient, ResourceClient } from '#client/client';
import { pods } from '#client/resources';
import { causeOf } from '../pod-control.ts';
import { newClaims } from './stateful-pod.ts';

const persistentVolumeClaims: GroupVersionResource = { group: '', version: 'v1', resource: 'persistentvolumeclaims' };

/** Creates and deletes the pods of StatefulSets and says so on the set (`StatefulPodControl`, release 1.36). */
export class StatefulPodControl {
  readonly #pods: ResourceClient<Pod>;
  readonly #claims: ResourceClient<PersistentVolumeClaim>;
  readonly #recorder: EventRecorder;

  constructor(client: KubeClient, recorder: EventRecorder) {
    this.#pods = client.resource<Pod>(pods);
    this.#claims = client.resource<PersistentVolumeClaim>(persistentVolumeClaims);
    this.#recorder = recorder;
  }

  /** Claims first: a pod must not start without its storage. */
  async create(context: Context, set: StatefulSet, ordinal: number, draft: Draft<Pod>): Promise<void> {
    for (const claim of newClaims(set, ordinal)) await this.#ensureClaim(context, set, draft, claim);
    const subject = `Pod ${draft.metadata.name} in StatefulSet ${set.metadata.name}`;
    try {
      await this.#pods.create(context, draft);
      this.#tell(context, set, 'SuccessfulCreate', `create ${subject} successful`);
    } catch (error) {
      // The cache is behind: the next sync sees the pod.
      if (isStatus(error, 'AlreadyExists')) return;
      this.#fail(context, set, 'FailedCreate', `create ${subject} failed error: ${messageOf(error)}`);
      throw error;
    }
  }

  /** `gone` when the pod was there no more: nobody will hear of its deletion. */
  async delete(context: Context, set: StatefulSet, pod: Pod): Promise<'deleted' | 'gone'> {
    const { namespace = '', name = '', uid } = pod.metadata;
    const subject = `Pod ${name} in StatefulSet ${set.metadata.name}`;
    try {
      await this.#pods.delete(context, namespace, name, uid === undefined ? {} : { preconditions: { uid } });
      this.#tell(context, set, 'SuccessfulDelete', `delete ${subject} successful`);
      return 'deleted';
    } catch (error) {
      if (isStatus(error, 'NotFound')) return 'gone';
      this.#fail(context, set, 'FailedDelete', `delete ${subject} failed error: ${messageOf(error)}`);
      throw error;
    }
  }

  /** Where the API server does not serve claims the create fails, and the event shows its words. */
  async #ensureClaim(
    context: Context,
    set: StatefulSet,
    pod: Draft<Pod>,
    claim: Draft<PersistentVolumeClaim>,
  ): Promise<void> {
    const { namespace = '', name = '' } = claim.metadata;
    const subject = `create Claim ${name} Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
    if (await this.#hasClaim(context, namespace, name)) return;
    try {
      await this.#claims.create(context, claim);
      this.#tell(context, set, 'SuccessfulCreate', `${subject} success`);
    } catch (error) {
      this.#fail(context, set, 'FailedCreate', `${subject} failed error: ${messageOf(error)}`);
      throw error;
    }
  }

  async #hasClaim(context: Context, namespace: string, name: string): Promise<boolean> {
    try {
      await this.#claims.get(context, namespace, name);
      return true;
    } catch (error) {
      if (isStatus(error, 'NotFound')) return false;
      throw error;
    }
  }

  #tell(context: Context, set: StatefulSet, reason: string, message: string): void {
    this.#recorder.event(set, 'Normal', reason, message, causeOf(context));
  }

  #fail(context: Context, set: StatefulSet, reason: string, message: string): void {
    if (!context.ended) this.#recorder.event(set, 'Warning', reason, message, causeOf(context));
  }
}
