import type { LabelSelector, Scale } from '#api/gen/types';
import { formatLabelSelector, type Labels } from '#api/machinery/labels';
import type { KubeObject } from '#api/machinery/object';
import { invalid, invalidError } from '#api/validation/errors';
import { badRequest, modified } from '../../storage/errors.ts';
import { patchFormat, readBody } from '../body.ts';
import type { ObjectEditor } from '../patching.ts';
import { readWriteQuery } from '../request-options.ts';
import { objectResponse } from '../responses.ts';
import type { RequestScope } from '../scope.ts';
import type { Writes } from '../writes.ts';
import type { Reads } from '../reads.ts';
import type { ApiResponse } from '../../request.ts';

type Scalable = KubeObject & {
  readonly spec: { readonly replicas?: number; readonly selector?: unknown };
  readonly status?: { readonly replicas?: number };
};
type ScaleObject = Scale & KubeObject & { readonly spec: { readonly replicas?: number } };

/** The `scale` of Deployments, ReplicaSets, StatefulSets and ReplicationControllers, as autoscaling/v1 Scale. */
export class ScaleSubresource {
  readonly #reads: Reads;
  readonly #writes: Writes;
  readonly #editor: ObjectEditor;

  constructor(reads: Reads, writes: Writes, editor: ObjectEditor) {
    this.#reads = reads;
    this.#writes = writes;
    this.#editor = editor;
  }

  async get(scope: RequestScope): Promise<ApiResponse> {
    return objectResponse(scaleOf(await this.#reads.get(scope)));
  }

  async put(scope: RequestScope): Promise<ApiResponse> {
    const wanted = readBody(scope.request.body, 'autoscaling/v1', 'Scale') as ScaleObject;
    return this.#write(scope, () => wanted);
  }

  async patch(scope: RequestScope): Promise<ApiResponse> {
    const { request, served } = scope;
    const format = patchFormat(request.contentType);
    if (format === 'apply') throw badRequest('apply patches of the scale subresource are not served');
    // A Scale has no lists, so a strategic patch of it is a merge patch.
    const plain = format === 'strategic' ? 'merge' : format;
    return this.#write(scope, (current) => {
      const patched = this.#editor.patch(served, plain, scaleOf(current), request.body);
      return readBody(patched, 'autoscaling/v1', 'Scale') as ScaleObject;
    });
  }

  async #write(scope: RequestScope, wantedOf: (current: Scalable) => ScaleObject): Promise<ApiResponse> {
    const { served, info } = scope;
    const query = readWriteQuery(scope.request);
    const updated = await this.#writes.update(scope, { ...query, status: false }, (object) => {
      const current = object as Scalable;
      const wanted = wantedOf(current);
      const { resourceVersion } = wanted.metadata;
      if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) throw modified(served, info.name);
      return { ...current, spec: { ...current.spec, replicas: replicasOf(wanted, info.name) } };
    });
    return objectResponse(scaleOf(updated as Scalable));
  }
}

function replicasOf(wanted: ScaleObject, name: string): number {
  const replicas = wanted.spec?.replicas ?? 0;
  if (Number.isInteger(replicas) && replicas >= 0) return replicas;
  const error = invalid('spec.replicas', replicas, 'must be greater than or equal to 0');
  throw invalidError({ group: 'autoscaling', kind: 'Scale' }, name, [error]);
}

function scaleOf(object: KubeObject): KubeObject {
  const { metadata, spec, status, kind } = object as Scalable;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
  const labels = kind === 'ReplicationController' ? { matchLabels: spec.selector as Labels } : spec.selector;
  const scale: ScaleObject = {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name: name ?? '',
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec: spec.replicas === undefined ? {} : { replicas: spec.replicas },
    status: { replicas: status?.replicas ?? 0, selector: formatLabelSelector(labels as LabelSelector | undefined) },
  };
  return scale;
}
