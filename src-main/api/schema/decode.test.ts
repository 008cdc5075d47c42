import { deepFreeze } from '#base/freeze';
import { expect, test } from 'vitest';
import { findResource } from '../resources/table.ts';
import { decodeObject, type FieldValidation } from './decode.ts';
import { canonicalQuantity } from './quantity.ts';

function decode(plural: string, body: unknown, validation: FieldValidation = 'Strict', group = 'apps') {
  const row = findResource(group, 'v1', plural);
  if (!row) throw new Error('no such row');
  return decodeObject(deepFreeze(body), row, validation);
}
const deployment = (spec: unknown) => ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'x' }, spec });

test('a clean object comes back as it is', () => {
  const body = deployment({ replicas: 1 });
  expect(decode('deployments', body).object).toBe(body);
});

test('unknown fields: refused, warned of, or dropped', () => {
  const body = deployment({ foo: 1, template: { spec: { containers: [{ name: 'a', bar: 2 }] } } });
  const text = 'unknown field "spec.foo", unknown field "spec.template.spec.containers[0].bar"';
  expect(() => decode('deployments', body)).toThrow(
    `Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: ${text}`,
  );
  const warned = decode('deployments', body, 'Warn');
  expect(warned.warnings.join(', ')).toBe(text);
  expect(warned.object).toEqual(deployment({ template: { spec: { containers: [{ name: 'a' }] } } }));
  expect(decode('deployments', body, 'Ignore').warnings).toEqual([]);
});

test('wrong types are named as Go names them', () => {
  expect(() => decode('deployments', deployment({ replicas: 'two' }))).toThrow(
    'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
  );
  expect(() => decode('deployments', deployment({ template: { spec: { containers: 'a' } } }))).toThrow(
    'cannot unmarshal string into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container',
  );
});

test('nulls and empty optional values go; quantities and times become canonical', () => {
  const body = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'x', creationTimestamp: null, labels: {} },
    spec: {
      nodeName: '',
      hostNetwork: false,
      containers: [{ name: 'a', resources: { limits: { cpu: 0.5, memory: '1024Mi' } } }],
    },
    status: { startTime: '2026-01-01T01:00:00.5+01:00' },
  };
  expect(decode('pods', body, 'Strict', '').object).toEqual({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'x' },
    spec: { containers: [{ name: 'a', resources: { limits: { cpu: '500m', memory: '1Gi' } } }] },
    status: { startTime: '2026-01-01T00:00:00Z' },
  });
});

test('another kind or version is refused', () => {
  expect(() => decode('deployments', { apiVersion: 'v1', kind: 'Deployment' })).toThrow(
    'the API version in the data (v1) does not match the expected API version (apps/v1)',
  );
  expect(() => decode('deployments', { apiVersion: 'apps/v1', kind: 'ReplicaSet' })).toThrow(
    'cannot be handled as a Deployment',
  );
});

test.each([
  ['1000m', '1'],
  ['0.1', '100m'],
  ['1024Ki', '1Mi'],
  ['0.5Gi', '512Mi'],
  ['1500M', '1500M'],
  ['1000M', '1G'],
  ['2000', '2k'],
  ['1e3', '1e3'],
  ['0', '0'],
  ['-5', '-5'],
  ['1.5Gi', '1536Mi'],
  ['abc', undefined],
])('quantity %s is written %s', (text, canonical) => {
  expect(canonicalQuantity(text)).toBe(canonical);
});
