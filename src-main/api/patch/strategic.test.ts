import { deepFreeze } from '#base/freeze';
import { expect, test } from 'vitest';
import { applyStrategicPatch } from './strategic.ts';

const pod = 'io.k8s.api.core.v1.Pod';
const live = deepFreeze({
  metadata: { labels: { a: '1' }, finalizers: ['x', 'y'] },
  spec: {
    containers: [
      { name: 'web', image: 'nginx:1', env: [{ name: 'A', value: '1' }] },
      { name: 'side', image: 's' },
    ],
    tolerations: [{ key: 'k' }],
  },
});
const apply = (patch: unknown): Readonly<Record<string, unknown>> => applyStrategicPatch(live, patch, pod);
const containers = (patch: unknown) => (apply(patch)['spec'] as { containers: unknown[] }).containers;

test('merges keyed lists by their key and shares what is unchanged', () => {
  const result = containers({ spec: { containers: [{ name: 'web', image: 'nginx:2' }] } });
  expect(result).toEqual([
    { name: 'web', image: 'nginx:2', env: [{ name: 'A', value: '1' }] },
    { name: 'side', image: 's' },
  ]);
  expect(result[1]).toBe(live.spec.containers[1]);
});

test('null removes, new items come last', () => {
  expect(apply({ metadata: { labels: { a: null } } })['metadata']).toEqual({ labels: {}, finalizers: ['x', 'y'] });
  expect(
    containers({ spec: { containers: [{ name: 'new', image: 'n' }] } }).map((one) => (one as { name: string }).name),
  ).toEqual(['web', 'side', 'new']);
});

test('directives: delete an item, replace a list, take out of a primitive list', () => {
  expect(containers({ spec: { containers: [{ $patch: 'delete', name: 'web' }] } })).toEqual([
    { name: 'side', image: 's' },
  ]);
  expect(containers({ spec: { containers: [{ $patch: 'replace' }, { name: 'one', image: 'i' }] } })).toEqual([
    { name: 'one', image: 'i' },
  ]);
  expect(apply({ metadata: { '$deleteFromPrimitiveList/finalizers': ['x'] } })['metadata']).toMatchObject({
    finalizers: ['y'],
  });
});

test('$setElementOrder orders, also what the patch does not change', () => {
  const order = [{ name: 'side' }, { name: 'web' }];
  const result = containers({
    spec: { '$setElementOrder/containers': order, containers: [{ name: 'web', image: 'z' }] },
  });
  expect(result.map((one) => (one as { name: string }).name)).toEqual(['side', 'web']);
  expect(
    containers({ spec: { '$setElementOrder/containers': order } }).map((one) => (one as { name: string }).name),
  ).toEqual(['side', 'web']);
});

test('lists without a strategy are replaced, $retainKeys drops the rest', () => {
  expect(apply({ spec: { tolerations: [] } })['spec']).toMatchObject({ tolerations: [] });
  const deployment = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } };
  const patch = { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } };
  expect(applyStrategicPatch(deployment, patch, 'io.k8s.api.apps.v1.Deployment')).toEqual({
    spec: { strategy: { type: 'Recreate' } },
  });
});

test('a keyed item without its key is refused', () => {
  expect(() => apply({ spec: { containers: [{ image: 'x' }] } })).toThrow('does not contain declared merge key: name');
});
