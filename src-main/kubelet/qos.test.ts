import { expect, test } from 'vitest';
import type { Container, Pod } from '#api/gen/types';
import { containerResources, podCgroup, podResources, qosClassOf } from './qos.ts';

const gibi = 1024 ** 3;
const pod = (resources: Container['resources'], more: Partial<Pod['spec']> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', uid: 'u1' },
  spec: { containers: [{ name: 'main', ...(resources ? { resources } : {}) }], ...more },
});
const amounts = (of: Pod) => containerResources(of, of.spec.containers[0] ?? { name: '' }, 8 * gibi);
const half = { cpu: '500m', memory: '1Gi' };

test('limits that equal requests are guaranteed, and a limit is a request', () => {
  const guaranteed = pod({ limits: half, requests: half });
  expect(qosClassOf(guaranteed)).toBe('Guaranteed');
  expect(qosClassOf(pod({ limits: half }))).toBe('Guaranteed');
  expect(amounts(guaranteed)).toEqual({
    ...{ cpuShares: 512, cpuPeriod: 100_000, cpuQuota: 50_000, memoryLimitBytes: gibi, oomScoreAdj: -997 },
  });
  expect(podCgroup(guaranteed)).toBe('/kubepods/podu1');
});

test('a container that asks for nothing goes first when memory runs out', () => {
  expect(amounts(pod(undefined))).toEqual({ cpuShares: 2, oomScoreAdj: 1000 });
  expect(podCgroup(pod(undefined))).toBe('/kubepods/besteffort/podu1');
});

test('between them counts how much of the node was asked for', () => {
  const burstable = pod({ requests: { memory: '2Gi' } });
  expect(amounts(burstable)).toEqual({ cpuShares: 2, oomScoreAdj: 750 });
  expect(podCgroup(burstable)).toBe('/kubepods/burstable/podu1');
  expect(amounts(pod({ requests: { memory: '1Ki' } })).oomScoreAdj).toBe(999);
  expect(amounts(pod({ requests: { cpu: '1m' } }, { priority: 2_000_001_000 })).oomScoreAdj).toBe(-997);
});

test('a pod is limited as a whole when every container is', () => {
  const two = pod(undefined, {
    containers: [
      { name: 'a', resources: { limits: half, requests: half } },
      { name: 'b', resources: { limits: half, requests: { cpu: '250m' } } },
    ],
  });
  expect(podResources(two)).toEqual({
    ...{ cpuShares: 768, cpuPeriod: 100_000, cpuQuota: 100_000, memoryLimitBytes: 2 * gibi },
  });
  expect(podResources(pod({ requests: half }))).toEqual({ cpuShares: 512 });
});
