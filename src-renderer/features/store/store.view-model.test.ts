import { describe, expect, it } from 'vitest';
import { whoWrote } from '../../state/models/writer.view-model.ts';
import { briefStoryOf, bytes, grouped, storyOf } from './store.view-model.ts';

const record = (user: string, causedBy?: string) => ({
  user,
  userAgent: 'test',
  request: 'update pods/status default/web-0',
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
  timeMs: 0,
  ...(causedBy ? { causedBy } : {}),
});

describe('the story of a write', () => {
  it('names who wrote, what was asked, and why', () => {
    expect(storyOf(record('system:node:worker-1', '1841'))).toBe(
      'kubelet worker-1: update pods/status default/web-0, because of rev 1841',
    );
    expect(briefStoryOf(record('jane', '7'))).toBe('jane: update pods/status, because of rev 7');
    expect(whoWrote(record('system:kube-scheduler'))).toBe('scheduler');
    expect(whoWrote(record('system:serviceaccount:kube-system:replicaset-controller'))).toBe('replicaset-controller');
    expect(whoWrote(record('kubernetes-admin'))).toBe('you');
    expect(whoWrote(record('jane'))).toBe('jane');
    expect(storyOf(undefined)).toContain('no record');
  });

  it('has numbers a person can read', () => {
    expect([7, 1842, 1234567].map(grouped)).toEqual(['7', '1 842', '1 234 567']);
    expect([12, 2048, 3 * 1024 ** 2].map(bytes)).toEqual(['12 B', '2.0 KiB', '3.0 MiB']);
  });
});
