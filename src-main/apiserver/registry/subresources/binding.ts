import type { Binding, Pod } from '#api/gen/types';
import { setCondition } from '#api/machinery/meta';
import type { KubeObject } from '#api/machinery/object';
import { invalidError, notSupported, required, type FieldError } from '#api/validation/errors';
import { formatTime, type Clock } from '#base/clock';
import { deepFreeze } from '#base/freeze';
import type { ApiResponse } from '../../request.ts';
import { conflict } from '../../storage/errors.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { readBody } from '../body.ts';
import { readWriteQuery } from '../request-options.ts';
import { successResponse } from '../responses.ts';
import { originOf, type RequestScope } from '../scope.ts';

const bindingResource = { group: '', resource: 'pods/binding' };

/** `pods/binding`: puts a pod on a node, once (upstream: `BindingREST` of registry/core/pod/storage, release 1.36). */
export async function bindPod(scope: RequestScope, store: ObjectStore, clock: Clock): Promise<ApiResponse> {
  const { context, request, served, info } = scope;
  const binding = readBody(request.body, 'v1', 'Binding') as Binding & KubeObject;
  const errors = bindingErrors(binding);
  if (errors.length > 0) throw invalidError({ group: '', kind: 'Binding' }, info.name, errors);
  const { dryRun } = readWriteQuery(request);
  const { uid, resourceVersion } = binding.metadata;
  const suggestion = served.cache?.peek(info.namespace, info.name);
  await store.update(
    context,
    served,
    info.namespace,
    info.name,
    { origin: originOf(scope), dryRun, preconditions: { uid, resourceVersion }, suggestion },
    (pod) => ({ next: deepFreeze(boundPod(pod as Pod & KubeObject, binding, clock.now())) }),
  );
  return successResponse();
}

function bindingErrors({ target }: Binding): FieldError[] {
  const { kind = '', name = '' } = target ?? {};
  const errors: FieldError[] = [];
  if (kind !== '' && kind !== 'Node') errors.push(notSupported('target.kind', kind, ['Node', '<empty>']));
  if (name === '') errors.push(required('target.name'));
  return errors;
}

function boundPod(pod: Pod & KubeObject, { target, metadata }: Binding & KubeObject, nowMs: number): KubeObject {
  const name = pod.metadata.name ?? '';
  if (pod.metadata.deletionTimestamp !== undefined) {
    throw conflict(bindingResource, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  }
  if (pod.spec.nodeName) {
    const message = `pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`;
    throw conflict(bindingResource, name, message);
  }
  if ((pod.spec.schedulingGates ?? []).length > 0) {
    throw conflict(bindingResource, name, `pod ${name} has non-empty .spec.schedulingGates`);
  }
  const { generation } = pod.metadata;
  const scheduled = {
    type: 'PodScheduled',
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    status: 'True',
    lastTransitionTime: formatTime(nowMs),
  };
  const { annotations } = metadata;
  return {
    ...pod,
    metadata: annotations
      ? { ...pod.metadata, annotations: { ...pod.metadata.annotations, ...annotations } }
      : pod.metadata,
    spec: { ...pod.spec, nodeName: target.name ?? '' },
    status: { ...pod.status, conditions: setCondition(pod.status?.conditions, scheduled) },
  } as Pod & KubeObject;
}
