import { describe, expect, test } from 'vitest';
import type { Pod } from '#api/gen/types';
import { podsToDelete } from './deletion-ranking.ts';

const nowMs = Date.UTC(2026, 0, 2);

function pod(name: string, nodeName: string | undefined, ready: boolean, annotations = {}, phase = 'Running'): Pod {
  const since = '2026-01-01T00:00:00Z';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, uid: name, annotations, creationTimestamp: since },
    spec: { containers: [], ...(nodeName ? { nodeName } : {}) },
    status: { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: since }] },
  };
}

describe('podsToDelete', () => {
  test('goes from the least to the most missed', () => {
    const cost = { 'controller.kubernetes.io/pod-deletion-cost': '-5' };
    const ordered = [
      pod('unassigned', undefined, false, {}, 'Pending'),
      pod('pending', 'n1', false, {}, 'Pending'),
      pod('not-ready', 'n1', false),
      pod('cheap', 'n2', true, cost),
      pod('crowded-1', 'n1', true),
      pod('alone', 'n3', true),
    ];
    for (let count = 1; count < ordered.length; count++) {
      const chosen = podsToDelete([...ordered].reverse(), ordered, count, nowMs);
      expect(chosen.map(({ metadata }) => metadata.name)).toEqual(ordered.slice(0, count).map((p) => p.metadata.name));
    }
  });
});
