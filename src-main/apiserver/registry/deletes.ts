import type { KubeList, KubeObject } from '#api/machinery/object';
import { isStatus, type Status } from '#api/machinery/status';
import type { Clock } from '#base/clock';
import { deepFreeze } from '#base/freeze';
import type { AdmissionChain } from '../admission/admission.ts';
import type { ApiResponse } from '../request.ts';
import type { ChangeResult, ObjectStore } from '../storage/object-store.ts';
import { readDeleteOptions, type DeleteOptions } from './delete-options.ts';
import { deletionOf } from './deletion.ts';
import { readListQuery } from './request-options.ts';
import type { Reads } from './reads.ts';
import { originOf, type RequestScope } from './scope.ts';
import { readSelection } from './selection.ts';

/** Resources whose deletion answers the object; all others answer a Status (`ReturnDeletedObject` upstream). */
const returningDeleted = new Set([
  'pods',
  'services',
  'serviceaccounts',
  'persistentvolumes',
  'persistentvolumeclaims',
  'podtemplates',
  'resourcequotas',
]);

/** Deletions at once of a deletecollection, so that a big one neither crawls nor floods the store. */
const collectionWorkers = 16;

export interface DeletesOptions {
  readonly store: ObjectStore;
  readonly reads: Reads;
  readonly admission: AdmissionChain;
  readonly clock: Clock;
}

/** delete and deletecollection of stored resources. */
export class Deletes {
  readonly #options: DeletesOptions;

  constructor(options: DeletesOptions) {
    this.#options = options;
  }

  async delete(scope: RequestScope): Promise<ApiResponse> {
    const options = readDeleteOptions(scope.request);
    const { object, removed } = await this.deleteOne(scope, scope.info.namespace, scope.info.name, options);
    const { served } = scope;
    if (!removed || returningDeleted.has(served.resource)) {
      const status = !removed && options.propagation === 'Foreground' ? 202 : 200;
      return { kind: 'object', status, object: served.fromStored(object) };
    }
    return { kind: 'object', status: 200, object: deletedStatus(scope, object) };
  }

  /** Throws NotFound, Conflict for failed preconditions, and what admission throws. The answer is in stored form. */
  async deleteOne(scope: RequestScope, namespace: string, name: string, options: DeleteOptions): Promise<ChangeResult> {
    const { store, admission, clock } = this.#options;
    const { context, served, request } = scope;
    const suggestion = served.cache?.peek(namespace, name);
    const origin = originOf(scope, name);
    const { dryRun, preconditions } = options;
    return store.update(
      context,
      served,
      namespace,
      name,
      { origin, dryRun, preconditions, suggestion },
      async (stored) => {
        const object = served.fromStored(stored);
        await admission.validate({
          ...{ context, operation: 'DELETE', user: request.user, served, subresource: '', namespace, name, object },
          old: object,
        });
        const change = deletionOf(served, object, options, clock.now());
        return 'next' in change ? { next: deepFreeze(served.toStored(change.next)) } : change;
      },
    );
  }

  /** Answers the list of what was deleted, or marked, as it was before. */
  async deleteCollection(scope: RequestScope): Promise<KubeList> {
    const { request, served, info } = scope;
    const options = readDeleteOptions(request);
    const query = readListQuery(request.query);
    const selection = readSelection(served, query.labelSelector, query.fieldSelector);
    const { revision, items } = await this.#options.reads.select(scope, selection, info.namespace);
    const waiting = [...items];
    const work = async (): Promise<void> => {
      for (let item = waiting.shift(); item; item = waiting.shift()) {
        const { namespace = '', name = '' } = item.metadata;
        await this.deleteOne(scope, namespace, name, options).catch(ignoreGone);
      }
    };
    await Promise.all(Array.from({ length: Math.min(collectionWorkers, items.length) }, work));
    return {
      kind: `${served.kind}List`,
      apiVersion: served.apiVersion,
      metadata: { resourceVersion: String(revision) },
      items: items.map(served.fromStored),
    };
  }
}

/** Somebody else was faster, which is what was wanted. */
function ignoreGone(error: unknown): void {
  if (!isStatus(error, 'NotFound')) throw error;
}

function deletedStatus({ served, info }: RequestScope, object: KubeObject): Status {
  const { uid } = object.metadata;
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      name: info.name,
      ...(served.group ? { group: served.group } : {}),
      kind: served.resource,
      ...(uid ? { uid } : {}),
    },
    code: 200,
  };
}
