import type { OwnerReference } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { present } from '#base/errors';

/** The reference that marks `owner` as the one controller of a dependent (`metav1.NewControllerRef`, release 1.36). */
export function controllerReference(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: present(owner.metadata.name, 'a stored object has a name'),
    uid: present(owner.metadata.uid, 'a stored object has a uid'),
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** The reference to the controller of `object`, if it has one. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true);
}

export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid;
}
