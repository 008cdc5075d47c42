import { deepFreeze } from '#base/freeze';
import type { KubeObject } from '../machinery/object.ts';
import { isStatus } from '../machinery/status.ts';
import { expect, test } from 'vitest';
import { trackUpdate } from './managed-fields.ts';
import { applyConfiguration } from './server-side-apply.ts';

const schema = 'io.k8s.api.apps.v1.Deployment';
type Loose = KubeObject & { spec: Record<string, never> };
const deployment = (spec: object, metadata: object = {}): KubeObject =>
  deepFreeze({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', ...metadata },
    spec,
  }) as unknown as KubeObject;
const apply = (live: KubeObject | undefined, config: KubeObject, manager = 'me', force = false): Loose =>
  deepFreeze(
    applyConfiguration({ live, config, schema, manager, force, subresource: '', resetFields: ['status'], nowMs: 0 }),
  ) as Loose;
const update = (live: KubeObject | undefined, next: KubeObject, manager = 'kubectl'): KubeObject =>
  deepFreeze(trackUpdate({ live, next, schema, manager, subresource: '', nowMs: 0 }));
const containers = (...items: object[]) => ({ template: { spec: { containers: items } } });

test('the first apply owns what it says, items of keyed lists by their key', () => {
  const live = apply(undefined, deployment({ replicas: 1, ...containers({ name: 'a', image: 'i' }) }));
  expect(live.metadata.managedFields?.[0]).toMatchObject({
    manager: 'me',
    operation: 'Apply',
    apiVersion: 'apps/v1',
    fieldsV1: {
      'f:spec': {
        'f:replicas': {},
        'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"a"}': { '.': {}, 'f:image': {}, 'f:name': {} } } } },
      },
    },
  });
});

test('what is no longer applied goes, what others wrote stays', () => {
  const first = apply(undefined, deployment({ replicas: 1, paused: true }, { labels: { a: '1', b: '2' } }));
  const other = update(first, { ...first, metadata: { ...first.metadata, labels: { a: '1', b: '2', c: '3' } } });
  const second = apply(other, deployment({ replicas: 1 }, { labels: { a: '1' } }));
  expect(second.metadata.labels).toEqual({ a: '1', c: '3' });
  expect(second.spec).toEqual({ replicas: 1 });
});

test('another value of a field another manager owns is a conflict, force takes it', () => {
  const live = update(undefined, deployment({ replicas: 3 }));
  let thrown: unknown;
  try {
    apply(live, deployment({ replicas: 5 }));
  } catch (error) {
    thrown = error;
  }
  expect(isStatus(thrown, 'Conflict') && thrown.message).toBe(
    'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas',
  );
  const taken = apply(live, deployment({ replicas: 5 }), 'me', true);
  expect(taken.spec).toEqual({ replicas: 5 });
  expect(taken.metadata.managedFields?.map((entry) => entry.manager)).toEqual(['me']);
});

test('the same value is shared without conflict', () => {
  const live = update(undefined, deployment({ replicas: 3 }));
  const both = apply(live, deployment({ replicas: 3 }));
  expect(both.metadata.managedFields?.map((entry) => `${entry.manager} ${entry.operation}`)).toEqual([
    'me Apply',
    'kubectl Update',
  ]);
});

test('applying the same again changes nothing', () => {
  const config = deployment({ replicas: 1, ...containers({ name: 'a', ports: [{ containerPort: 80 }] }) });
  const first = apply(undefined, config);
  expect(apply(first, config)).toEqual(first);
});

test('an update takes what it changes and gives up what it removes', () => {
  const first = apply(undefined, deployment({ replicas: 1, paused: true }));
  const next = update(first, { ...first, spec: { replicas: 2 } } as unknown as KubeObject, 'scaler');
  const byManager = Object.fromEntries(
    (next.metadata.managedFields ?? []).map((entry) => [entry.manager, entry.fieldsV1]),
  );
  expect(byManager).toEqual({ scaler: { 'f:spec': { 'f:replicas': {} } } });
});
