import type { EphemeralContainer, Pod } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { forbidden, invalidError, required, type FieldError } from '#api/validation/errors';
import { deepFreeze, jsonEqual } from '#base/freeze';
import type { ApiResponse } from '../../request.ts';
import { badRequest, modified } from '../../storage/errors.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { patchFormat } from '../body.ts';
import type { ObjectEditor } from '../patching.ts';
import { readWriteQuery } from '../request-options.ts';
import { objectResponse } from '../responses.ts';
import { originOf, type RequestScope } from '../scope.ts';

type PodObject = Pod & KubeObject;

/**
 * `pods/ephemeralcontainers`: adds containers to a running pod for debugging and changes nothing else (upstream:
 * `EphemeralContainersREST`, release 1.36).
 */
export async function writeEphemeralContainers(
  scope: RequestScope,
  store: ObjectStore,
  editor: ObjectEditor,
): Promise<ApiResponse> {
  const { context, request, served, info } = scope;
  const { dryRun, fieldValidation } = readWriteQuery(request);
  const wantedOf = (current: KubeObject): PodObject => {
    const body = info.verb === 'update' ? request.body : patched(scope, editor, current);
    return served.definition.strategy.applyDefaults(editor.decode(served, body, fieldValidation).object) as PodObject;
  };
  const { object } = await store.update(
    context,
    served,
    info.namespace,
    info.name,
    { origin: originOf(scope), dryRun, suggestion: served.cache?.peek(info.namespace, info.name) },
    (stored) => {
      const current = stored as PodObject;
      const wanted = wantedOf(current);
      const { resourceVersion } = wanted.metadata;
      if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) throw modified(served, info.name);
      const containers = wanted.spec.ephemeralContainers ?? [];
      const errors = problemsOf(current.spec.ephemeralContainers ?? [], containers);
      if (errors.length > 0) throw invalidError(served, info.name, errors);
      return { next: deepFreeze(withContainers(current, containers)) };
    },
  );
  return objectResponse(object);
}

function patched({ request, served }: RequestScope, editor: ObjectEditor, current: KubeObject): unknown {
  const format = patchFormat(request.contentType);
  if (format === 'apply') throw badRequest('apply patches of the ephemeralcontainers subresource are not served');
  return editor.patch(served, format, current, request.body);
}

function withContainers(pod: PodObject, ephemeralContainers: readonly EphemeralContainer[]): PodObject {
  if (jsonEqual(pod.spec.ephemeralContainers ?? [], ephemeralContainers)) return pod;
  const generation = (pod.metadata.generation ?? 0) + 1;
  return { ...pod, metadata: { ...pod.metadata, generation }, spec: { ...pod.spec, ephemeralContainers } };
}

const path = 'spec.ephemeralContainers';

function problemsOf(before: readonly EphemeralContainer[], after: readonly EphemeralContainer[]): FieldError[] {
  const errors: FieldError[] = [];
  for (const one of before) {
    const kept = after.find(({ name }) => name === one.name);
    if (!kept) errors.push(forbidden(path, `existing ephemeral containers "${one.name}" may not be removed\n`));
    else if (!jsonEqual(kept, one)) {
      errors.push(forbidden(path, `existing ephemeral containers "${one.name}" may not be changed\n`));
    }
  }
  for (const [index, { name, image }] of after.entries()) {
    if (!name) errors.push(required(`${path}[${index}].name`));
    if (!image) errors.push(required(`${path}[${index}].image`));
  }
  return errors;
}
