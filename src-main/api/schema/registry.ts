import { InvariantError } from '#base/errors';
import { models as generated } from '../gen/schema.ts';
import { metaModels } from './meta-models.ts';
import type { ModelSchema } from './types.ts';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.';

/** `core.v1.Pod` and `meta.v1.ObjectMeta`, as the hand-kept tables write them, in full OpenAPI spelling. */
export function fullSchemaName(short: string): string {
  if (short.startsWith('meta.v1.')) return meta + short.slice('meta.v1.'.length);
  return `io.k8s.api.${short}`;
}

/** The Go package segment that holds the types of an API group: `rbac` for `rbac.authorization.k8s.io`. */
function packageOfGroup(group: string): string {
  return group === '' ? 'core' : (group.split('.')[0] ?? group);
}

/** OpenAPI name of a served kind: `('apps', 'v1', 'Deployment')` -> `io.k8s.api.apps.v1.Deployment`. */
export function schemaName(group: string, version: string, kind: string): string {
  const name = `io.k8s.api.${packageOfGroup(group)}.${version}.${kind}`;
  if (!(name in generated) && `${meta}${kind}` in generated) return meta + kind;
  return name;
}

/** The model of that OpenAPI name, if there is one. */
export function findModel(name: string): ModelSchema | undefined {
  return generated[name] ?? metaModels[name];
}

/** Throws InvariantError for a name that no model has. */
export function schemaOf(name: string): ModelSchema {
  const model = findModel(name);
  if (!model) throw new InvariantError(`no schema is known for ${name}`);
  return model;
}

/** Names of all models, sorted. */
export function modelNames(): readonly string[] {
  return [...Object.keys(generated), ...Object.keys(metaModels)].sort();
}
