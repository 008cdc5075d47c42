import { isStatus } from '#api/machinery/status';
import { invalidError, required } from '#api/validation/errors';
import type { Clock } from '#base/clock';
import type { ApiResponse } from '../request.ts';
import { notFound } from '../storage/errors.ts';
import { patchFormat } from './body.ts';
import { matchName, matchNamespace } from './metadata-rules.ts';
import type { Decoded, ObjectEditor } from './patching.ts';
import { readWriteQuery, type WriteQuery } from './request-options.ts';
import { objectResponse } from './responses.ts';
import type { RequestScope } from './scope.ts';
import type { Writes } from './writes.ts';

/** POST, PUT and PATCH of a resource or its status: from a body to {@link Writes} and back. */
export class ObjectVerbs {
  readonly #writes: Writes;
  readonly #editor: ObjectEditor;
  readonly #clock: Clock;

  constructor(writes: Writes, editor: ObjectEditor, clock: Clock) {
    this.#writes = writes;
    this.#editor = editor;
    this.#clock = clock;
  }

  async create(scope: RequestScope): Promise<ApiResponse> {
    const query = readWriteQuery(scope.request);
    const { object, warnings } = this.#decode(scope, scope.request.body, query);
    const created = await this.#writes.create(scope, object, query);
    return objectResponse(created, 201, warnings);
  }

  async put(scope: RequestScope, status: boolean): Promise<ApiResponse> {
    const query = readWriteQuery(scope.request);
    const { served, info } = scope;
    const { object: decoded, warnings } = this.#decode(scope, scope.request.body, query);
    const object = matchName(matchNamespace(served, decoded, info.namespace), info.name);
    try {
      const updated = await this.#writes.update(scope, { ...query, status }, () => object);
      return objectResponse(updated, 200, warnings);
    } catch (error) {
      const create = served.definition.strategy.allowCreateOnUpdate && !status;
      if (!create || !isStatus(error, 'NotFound') || error.details?.name !== info.name) throw error;
      return objectResponse(await this.#writes.create(scope, object, query), 201, warnings);
    }
  }

  async patch(scope: RequestScope, status: boolean): Promise<ApiResponse> {
    const { request, served, info } = scope;
    const format = patchFormat(request.contentType);
    const query = readWriteQuery(request);
    if (format === 'apply') return this.#apply(scope, query, status);
    let warnings: readonly string[] = [];
    const updated = await this.#writes.update(scope, { ...query, status }, (current) => {
      const patched = this.#editor.patch(served, format, current, request.body);
      const decoded = this.#decode(scope, patched, query);
      ({ warnings } = decoded);
      return matchName(matchNamespace(served, decoded.object, info.namespace), info.name);
    });
    return objectResponse(updated, 200, warnings);
  }

  /** Server-side apply: creates what is missing. */
  async #apply(scope: RequestScope, query: WriteQuery, status: boolean): Promise<ApiResponse> {
    const { request, served, info } = scope;
    const manager = request.query.get('fieldManager');
    if (!manager) {
      const kind = { group: 'meta.k8s.io', kind: 'PatchOptions' };
      throw invalidError(kind, '', [required('fieldManager', 'is required for apply patch')]);
    }
    const { object, warnings } = this.#editor.decode(served, request.body, query.fieldValidation);
    const patch = matchName(matchNamespace(served, object, info.namespace), info.name);
    const writer = { manager, subresource: info.subresource, nowMs: this.#clock.now() };
    const options = { ...query, fieldManager: manager, tracked: true };
    try {
      const updated = await this.#writes.update(scope, { ...options, status }, (current) =>
        this.#editor.apply(served, current, patch, writer, query.force),
      );
      return objectResponse(updated, 200, warnings);
    } catch (error) {
      if (!isStatus(error, 'NotFound') || error.details?.name !== info.name || status) throw error;
      if (patch.metadata.uid) throw notFound(served, info.name);
      const fresh = this.#editor.apply(served, undefined, patch, writer, query.force);
      const created = await this.#writes.create(scope, served.definition.strategy.applyDefaults(fresh), options);
      return objectResponse(created, 201, warnings);
    }
  }

  #decode(scope: RequestScope, body: unknown, query: WriteQuery): Decoded {
    const { served } = scope;
    const { object, warnings } = this.#editor.decode(served, body, query.fieldValidation);
    return { object: served.definition.strategy.applyDefaults(object), warnings };
  }
}
