import { applyPatch } from '#api/patch/apply-patch';
import { trackUpdate } from '#api/patch/managed-fields';
import { applyConfiguration } from '#api/patch/server-side-apply';
import { findSubresource } from '#api/resources/table';
import { decodeObject } from '#api/schema/decode';
import type { ObjectEditor } from './patching.ts';
import type { ServedResource } from './served-resource.ts';

/** {@link ObjectEditor} by the schema of the resource table. */
export const schemaEditor: ObjectEditor = {
  decode: ({ definition }, body, validation) => decodeObject(body, definition, validation),
  patch: ({ definition }, format, current, patch) => applyPatch(format, current, patch, definition.schema),
  apply: (served, live, config, writer, force) =>
    applyConfiguration({
      live,
      config,
      schema: served.definition.schema,
      manager: writer.manager,
      subresource: writer.subresource,
      nowMs: writer.nowMs,
      force,
      resetFields: resetFields(served, writer.subresource),
    }),
  track: ({ definition }, next, live, { manager, subresource, nowMs }) =>
    trackUpdate({ live, next, schema: definition.schema, manager, subresource, nowMs }),
};

/** What an endpoint does not write, and therefore nobody owns through it. */
function resetFields({ definition }: ServedResource, subresource: string): readonly string[] {
  if (subresource === 'status') return ['spec'];
  return findSubresource(definition, 'status') ? ['status'] : [];
}
