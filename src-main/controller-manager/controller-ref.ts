import { parseGroupVersion, type KubeObject } from '#api/machinery/object';
import { controllerOf } from '#client/owner-references';

/** A kind that owns things on behalf of one of this room's controllers. */
export interface ControllerKind {
  readonly group: string;
  readonly kind: string;
}

export const replicaSetKind: ControllerKind = { group: 'apps', kind: 'ReplicaSet' };
export const deploymentKind: ControllerKind = { group: 'apps', kind: 'Deployment' };
export const statefulSetKind: ControllerKind = { group: 'apps', kind: 'StatefulSet' };
export const daemonSetKind: ControllerKind = { group: 'apps', kind: 'DaemonSet' };
export const jobKind: ControllerKind = { group: 'batch', kind: 'Job' };
export const cronJobKind: ControllerKind = { group: 'batch', kind: 'CronJob' };

/** The key of the controller of `object`, when that is of `kind`. */
export function ownerKey(object: KubeObject, { group, kind }: ControllerKind): string | undefined {
  const owner = controllerOf(object);
  if (owner?.kind !== kind || parseGroupVersion(owner.apiVersion).group !== group) return undefined;
  return `${object.metadata.namespace ?? ''}/${owner.name}`;
}
