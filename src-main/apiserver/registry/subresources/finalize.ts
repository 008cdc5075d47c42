import type { Namespace } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { deepFreeze } from '#base/freeze';
import type { ApiResponse } from '../../request.ts';
import { modified } from '../../storage/errors.ts';
import type { Change, ObjectStore } from '../../storage/object-store.ts';
import { readBody } from '../body.ts';
import { matchName } from '../metadata-rules.ts';
import { isNamespaceFinished } from '../namespace-rules.ts';
import { readWriteQuery } from '../request-options.ts';
import { objectResponse } from '../responses.ts';
import { originOf, type RequestScope } from '../scope.ts';

/** `namespaces/finalize`: replaces `spec.finalizers`; a terminating namespace that nobody holds any more goes. */
export async function finalizeNamespace(scope: RequestScope, store: ObjectStore): Promise<ApiResponse> {
  const { context, request, served, info } = scope;
  const wanted = matchName(readBody(request.body, 'v1', 'Namespace'), info.name) as Namespace & KubeObject;
  const { dryRun } = readWriteQuery(request);
  const { resourceVersion, uid } = wanted.metadata;
  const { object } = await store.update(
    context,
    served,
    '',
    info.name,
    { origin: originOf(scope), dryRun, preconditions: { uid } },
    (current): Change => {
      if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) throw modified(served, info.name);
      const namespace = current as Namespace & KubeObject;
      const next = { ...namespace, spec: { ...namespace.spec, finalizers: wanted.spec?.finalizers ?? [] } };
      const gone = next.metadata.deletionTimestamp !== undefined && isNamespaceFinished(next);
      return gone ? { remove: true } : { next: deepFreeze(next) };
    },
  );
  return objectResponse(object);
}
