import type { Namespace } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';

/** A namespace goes when its content is gone, which the namespace controller says by emptying `spec.finalizers`. */
export function isNamespaceFinished(object: KubeObject): boolean {
  const { metadata, spec } = object as Partial<Namespace> & KubeObject;
  return (metadata.finalizers ?? []).length === 0 && (spec?.finalizers ?? []).length === 0;
}
