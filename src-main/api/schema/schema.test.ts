import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { docs } from '../gen/docs.ts';
import { fieldFacts, isAtomicModel } from './list-facts.ts';
import { findModel, modelNames } from './registry.ts';
import type { TypeSchema } from './types.ts';

interface Property {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly items?: Property;
  readonly additionalProperties?: Property;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-map-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: string[];
  readonly 'x-kubernetes-patch-strategy'?: string;
  readonly 'x-kubernetes-patch-merge-key'?: string;
}
interface Definition {
  readonly required?: string[];
  readonly properties?: Record<string, Property>;
  readonly 'x-kubernetes-map-type'?: string;
}

const path = new URL('../../../../shared/reference/kubernetes-openapi.json', import.meta.url);
const definitions = read();

function read(): Record<string, Definition> | undefined {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { definitions: Record<string, Definition> }).definitions;
  } catch (error) {
    if (process.env['CI']) throw error;
    console.warn(`skipped: ${path.pathname} is not there, so the hand-kept API facts are not checked`);
    return undefined;
  }
}

const special: Readonly<Record<string, string>> = {
  'api.resource.Quantity': 'quantity',
  'util.intstr.IntOrString': 'intOrString',
  'apis.meta.v1.MicroTime': 'microTime',
  'apis.meta.v1.Time': 'time',
  'apis.meta.v1.FieldsV1': 'any',
  'runtime.RawExtension': 'any',
};

function spelled(property: Property): string {
  if (property.$ref) {
    const name = property.$ref.replace('#/definitions/', '');
    return special[name.replace('io.k8s.apimachinery.pkg.', '')] ?? `ref ${name}`;
  }
  if (property.items) return `list ${spelled(property.items)}`;
  if (property.type === 'object')
    return property.additionalProperties ? `map ${spelled(property.additionalProperties)}` : 'any';
  if (property.type === 'integer') return property.format ?? '';
  if (property.type === 'number') return 'double';
  return property.format === 'byte' ? 'bytes' : (property.type ?? '');
}

function ours(type: TypeSchema): string {
  if (type.kind === 'list') return `list ${ours(type.items)}`;
  if (type.kind === 'map') return `map ${ours(type.values)}`;
  return type.kind === 'ref' ? `ref ${type.ref}` : type.kind;
}

const compared = modelNames().filter((name) => definitions?.[name]);

test.skipIf(!definitions)('models, fields, types and required fields are those of the release', () => {
  expect(compared.length).toBeGreaterThan(340);
  for (const name of compared) {
    const [model, definition] = [findModel(name), definitions?.[name]];
    expect([name, [...(model?.required ?? [])].sort()]).toEqual([name, [...(definition?.required ?? [])].sort()]);
    for (const [field, type] of Object.entries(model?.fields ?? {})) {
      expect(`${name}.${field} ${ours(type)}`).toBe(
        `${name}.${field} ${spelled(definition?.properties?.[field] ?? {})}`,
      );
    }
  }
});

test.skipIf(!definitions)('list types, keys and patch strategies are those of the release', () => {
  for (const name of compared) {
    expect(`${name} ${isAtomicModel(name)}`).toBe(
      `${name} ${definitions?.[name]?.['x-kubernetes-map-type'] === 'atomic'}`,
    );
    for (const [field, property] of Object.entries(definitions?.[name]?.properties ?? {})) {
      const facts = fieldFacts(name, field);
      const listType = property['x-kubernetes-list-type'] ?? property['x-kubernetes-map-type'];
      expect([name, field, facts?.type ?? 'atomic']).toEqual([name, field, listType ?? 'atomic']);
      expect([name, field, facts?.keys ?? []]).toEqual([name, field, property['x-kubernetes-list-map-keys'] ?? []]);
      expect([name, field, (facts?.strategies ?? []).join(',')]).toEqual([
        name,
        field,
        property['x-kubernetes-patch-strategy'] ?? '',
      ]);
      expect([name, field, facts?.mergeKey ?? '']).toEqual([
        name,
        field,
        property['x-kubernetes-patch-merge-key'] ?? '',
      ]);
    }
  }
});

test('every generated model and field is documented', () => {
  const about = docs['io.k8s.api.core.v1.PodSpec'];
  expect(about?.about).toMatch(/PodSpec/);
  expect(about?.fields['containers']).toMatch(/^List of containers/);
});
