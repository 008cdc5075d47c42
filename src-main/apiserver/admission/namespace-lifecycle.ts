import type { Namespace } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { forbidden, notFound } from '../storage/errors.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

const namespaces = { group: '', resource: 'namespaces' };
const immortal = new Set(['default', 'kube-system', 'kube-public']);
/** Access reviews are about a namespace but are not stored in it. */
const uncheckedKinds = new Set(['localsubjectaccessreviews']);

/** Finds a namespace; must not miss one that was just created. */
export type NamespaceReader = (request: AdmissionRequest, name: string) => Promise<KubeObject | undefined>;

/** NamespaceLifecycle (k8s.io/apiserver, release 1.36): nothing new in a namespace that is missing or on its way out. */
export function namespaceLifecycle(read: NamespaceReader): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    admit: async (request) => {
      const { operation, served, namespace, name, object } = request;
      if (operation !== 'CREATE' || namespace === '' || uncheckedKinds.has(served.resource)) return object;
      const found = await read(request, namespace);
      if (!found) throw notFound(namespaces, namespace);
      const { metadata, status } = found as Namespace & KubeObject;
      if (metadata.deletionTimestamp === undefined && status?.phase !== 'Terminating') return object;
      const message = `unable to create new content in namespace ${namespace} because it is being terminated`;
      throw forbidden(served, name, message, [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${namespace} is being terminated`,
          field: 'metadata.namespace',
        },
      ]);
    },
    validate: ({ operation, served, name }) => {
      if (operation !== 'DELETE' || served.resource !== 'namespaces' || !immortal.has(name)) return;
      throw forbidden(namespaces, name, 'this namespace may not be deleted');
    },
  };
}
