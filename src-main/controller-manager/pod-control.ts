import type { ObjectMeta, OwnerReference, Pod, PodTemplateSpec } from '#api/gen/types';
import { isStatus, StatusError } from '#api/machinery/status';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Draft, EventRecorder, KubeClient, ResourceClient } from '#client/client';
import { pods } from '#client/resources';
import type { KubeObject } from '#api/machinery/object';

/** `controller.GetPodFromTemplate`, release 1.36: the name is left to the server. */
export function podFromTemplate(
  owner: KubeObject,
  template: PodTemplateSpec | undefined,
  controllerRef: OwnerReference,
): Draft<Pod> {
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  const metadata: ObjectMeta = {
    generateName: `${owner.metadata.name ?? ''}-`,
    namespace: owner.metadata.namespace ?? '',
    ...(labels ? { labels } : {}),
    ...(annotations ? { annotations } : {}),
    ...(finalizers ? { finalizers } : {}),
    ownerReferences: [controllerRef],
  };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: template?.spec ?? { containers: [] } };
}

/** Whether the server refused to create in a namespace that is going away: not worth an event, and it will not change. */
export function isNamespaceTerminating(error: unknown): boolean {
  return (
    error instanceof StatusError && !!error.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating')
  );
}

/** Creates and deletes pods and says so on the owner (kube-controller-manager `RealPodControl`, release 1.36). */
export class PodControl {
  readonly #pods: ResourceClient<Pod>;
  readonly #recorder: EventRecorder;

  constructor(client: KubeClient, recorder: EventRecorder) {
    this.#pods = client.resource<Pod>(pods);
    this.#recorder = recorder;
  }

  async create(context: Context, owner: KubeObject, draft: Draft<Pod>): Promise<Pod> {
    try {
      const pod = await this.#pods.create(context, draft);
      this.#recorder.event(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`, causeOf(context));
      return pod;
    } catch (error) {
      if (!isNamespaceTerminating(error) && !context.ended) {
        this.#recorder.event(owner, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`, causeOf(context));
      }
      throw error;
    }
  }

  /** Throws NotFound when it is gone already. */
  async delete(context: Context, owner: KubeObject, pod: Pod): Promise<void> {
    const { namespace = '', name = '', uid } = pod.metadata;
    try {
      await this.#pods.delete(context, namespace, name, uid === undefined ? {} : { preconditions: { uid } });
      this.#recorder.event(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`, causeOf(context));
    } catch (error) {
      if (!isStatus(error, 'NotFound') && !context.ended) {
        this.#recorder.event(owner, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`, causeOf(context));
      }
      throw error;
    }
  }
}

/** The revision of the change that the running sync answers. */
export function causeOf(context: Context): string | undefined {
  return context.cause?.revision;
}
