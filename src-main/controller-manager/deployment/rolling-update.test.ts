import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Deployment, IntOrString, ReplicaSet } from '#api/gen/types';
import {
  maxSurge,
  maxUnavailable,
  newReplicaSetSize,
  proportionalSizes,
  shrinkOldReplicaSets,
} from './rolling-update.ts';

function deployment(replicas: number, surge: IntOrString, unavailable: IntOrString): Deployment {
  const rollingUpdate = { maxSurge: surge, maxUnavailable: unavailable };
  const template = { metadata: {} };
  const spec = { replicas, selector: {}, template, strategy: { type: 'RollingUpdate', rollingUpdate } };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec };
}

function replicaSet(name: string, replicas: number, available = replicas, max = 0): ReplicaSet {
  const annotations: Record<string, string> = max > 0 ? { 'deployment.kubernetes.io/max-replicas': String(max) } : {};
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, uid: name, annotations, creationTimestamp: `2026-01-01T00:00:0${name}Z` },
    spec: { replicas, selector: {} },
    status: { replicas, availableReplicas: available },
  };
}

const sizes = (list: readonly { readonly replicaSet: ReplicaSet; readonly size: number }[]): Record<string, number> =>
  Object.fromEntries(list.map(({ replicaSet: { metadata }, size }) => [metadata.name, size]));

describe('bounds', () => {
  test.each([
    [10, '25%', '25%', 3, 2],
    [1, '25%', '25%', 1, 0],
    [3, 0, 0, 0, 1],
    [3, 2, 5, 2, 3],
    [0, '25%', '25%', 0, 0],
  ])('of %i replicas with %s and %s are %i and %i', (replicas, surge, unavailable, most, least) => {
    const bounds = deployment(replicas, surge, unavailable);
    expect([maxSurge(bounds), maxUnavailable(bounds)]).toEqual([most, least]);
  });
});

test('pods of old replica sets that do not work go first', () => {
  const old = [replicaSet('1', 4, 1), replicaSet('2', 6, 6)];
  expect(sizes(shrinkOldReplicaSets(deployment(10, 3, 2), old, replicaSet('3', 3, 0)))).toEqual({ '1': 2 });
});

test('a resize is spread in proportion, the rest goes to the largest', () => {
  const active = [replicaSet('1', 8, 8, 13), replicaSet('2', 5, 0, 13)];
  expect(sizes(proportionalSizes(deployment(15, 3, 2), active))).toEqual({ '1': 11, '2': 7 });
});

test('one step of an update stays within both bounds, whatever the state before', () => {
  const bound = fc.oneof(
    fc.nat(12),
    fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`),
  );
  const pods = fc.array(fc.tuple(fc.nat(10), fc.nat(10)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.nat(20), bound, bound, pods, (replicas, surge, unavailable, state) => {
      const target = deployment(replicas, surge, unavailable);
      const all = state.map(([size, available], i) => replicaSet(String(i), size, Math.min(size, available)));
      const [current, ...old] = all;
      if (!current) return;
      const total = all.reduce((sum, { spec }) => sum + (spec.replicas ?? 0), 0);
      const available = all.reduce((sum, { status }) => sum + (status?.availableReplicas ?? 0), 0);
      const now = current.spec.replicas ?? 0;
      const grown = newReplicaSetSize(target, all, now);
      if (grown > now) expect(total + grown - now).toBeLessThanOrEqual(replicas + maxSurge(target));
      let lost = 0;
      for (const {
        replicaSet: { spec, status },
        size,
      } of shrinkOldReplicaSets(target, old, current)) {
        const working = status?.availableReplicas ?? 0;
        expect(size).toBeGreaterThanOrEqual(0);
        expect(size).toBeLessThanOrEqual(spec.replicas ?? 0);
        lost += Math.max(0, working - size);
      }
      if (lost > 0) expect(available - lost).toBeGreaterThanOrEqual(replicas - maxUnavailable(target));
    }),
  );
});
