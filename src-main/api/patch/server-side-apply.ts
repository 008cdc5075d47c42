import { formatTime } from '#base/clock';
import { omit } from '../machinery/meta.ts';
import type { KubeObject } from '../machinery/object.ts';
import { StatusError } from '../machinery/status.ts';
import { emptySet, equalSets, intersection, isEmptySet, members, pathText, union, type FieldSet } from './field-set.ts';
import {
  decodeManagers,
  sameManager,
  withManagers,
  withoutFields,
  withoutUnowned,
  type Manager,
  type Ownership,
} from './managed-fields.ts';
import { compare, fieldSetOf, mergeConfig, removeMembers, type Shape } from './typed.ts';

export interface ApplyRequest {
  /** Undefined when the apply creates the object. */
  readonly live: KubeObject | undefined;
  /** The decoded body of the apply patch (`decodeObject`), without `metadata.managedFields`. */
  readonly config: KubeObject;
  /** OpenAPI name of the kind. */
  readonly schema: string;
  readonly manager: string;
  /** Empty for the main resource. */
  readonly subresource: string;
  /** Takes fields from other managers instead of failing. */
  readonly force: boolean;
  /** Top-level fields this endpoint does not write: `status` on the main resource of a kind with a status. */
  readonly resetFields: readonly string[];
  readonly nowMs: number;
}

/**
 * Server-side apply (`merge.Updater.Apply` of structured-merge-diff v6): the manager owns exactly what its configuration says.
 * What it said before and no longer says goes, unless another manager owns it. Throws StatusError Conflict when a field with
 * another value belongs to another manager, BadRequest when the configuration carries managed fields. The result is not yet
 * defaulted; give it to `prepareForUpdate` or `prepareForCreate`.
 */
export function applyConfiguration(request: ApplyRequest): KubeObject {
  const { live, schema, nowMs } = request;
  if ((request.config.metadata.managedFields ?? []).length > 0) {
    throw new StatusError('BadRequest', 'metadata.managedFields must be nil');
  }
  const config = omit(
    request.config as unknown as Record<string, unknown>,
    ...request.resetFields,
  ) as unknown as KubeObject;
  const shape: Shape = { kind: 'struct', schema };
  const self: Manager = {
    name: request.manager,
    operation: 'Apply',
    apiVersion: config.apiVersion,
    subresource: request.subresource,
  };
  const managers = decodeManagers(live?.metadata.managedFields);
  const before = managers.find((one) => sameManager(one, self));
  const fields = withoutUnowned(fieldSetOf(config, shape));
  const others = managers.filter((one) => one !== before);

  const merged = mergeConfig(live ? bare(live) : undefined, bare(config), shape);
  const owned = others.reduce((all, one) => union(all, one.fields), fields);
  const pruned = removeMembers(merged, abandoned(before?.fields ?? emptySet, owned), shape) as KubeObject;

  const { changed, removed } = compare(live ? bare(live) : {}, pruned, shape);
  if (!request.force) refuseConflicts(others, changed, fields);
  const time = before && equalSets(before.fields, fields) ? before.time : formatTime(nowMs);
  const left = others.map((one) => withoutFields(one, union(intersection(changed, fields), removed)));
  return withManagers(pruned, [...left, { ...self, time, fields }], live);
}

/** Managed fields are no configuration: they are kept out of every comparison. */
function bare(object: KubeObject): KubeObject {
  if (object.metadata.managedFields === undefined) return object;
  return { ...object, metadata: omit(object.metadata, 'managedFields') };
}

/** Members of `last` that nobody owns any more, neither themselves nor anything below them. */
function abandoned(last: FieldSet, owned: FieldSet): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [element, child] of last.children) {
    const theirs = owned.children.get(element);
    if (!theirs) children.set(element, child);
    else children.set(element, { ...abandoned(child, theirs), member: false });
  }
  return { member: false, children };
}

/** Throws the Conflict that names each manager and field (`NewConflictError` of k8s.io/apimachinery, release 1.36). */
function refuseConflicts(others: readonly Ownership[], changed: FieldSet, fields: FieldSet): void {
  const wanted = intersection(changed, fields);
  const conflicts = others.flatMap((manager) => {
    const clash = intersection(manager.fields, wanted);
    return isEmptySet(clash)
      ? []
      : members(clash).map((path) => ({ manager: managerText(manager), path: pathText(path) }));
  });
  if (conflicts.length === 0) return;
  const causes = conflicts.map(({ manager, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${manager}`,
    field: path,
  }));
  throw new StatusError('Conflict', conflictText(conflicts), { causes });
}

function conflictText(conflicts: readonly { readonly manager: string; readonly path: string }[]): string {
  const [first, ...rest] = conflicts;
  if (first && rest.length === 0) return `Apply failed with 1 conflict: conflict with ${first.manager}: ${first.path}`;
  const managers = [...new Set(conflicts.map(({ manager }) => manager))].sort();
  const lines = managers.flatMap((manager) => [
    `conflicts with ${manager}:`,
    ...conflicts.filter((one) => one.manager === manager).map(({ path }) => `- ${path}`),
  ]);
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
}

function managerText({ name, subresource, operation, apiVersion }: Manager): string {
  const text = `${JSON.stringify(name)}${subresource ? ` with subresource ${JSON.stringify(subresource)}` : ''}`;
  return operation === 'Update' ? `${text} using ${apiVersion}` : text;
}
