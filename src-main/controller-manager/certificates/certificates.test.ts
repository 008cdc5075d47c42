import { expect, test } from 'vitest';
import type { CertificateSigningRequest } from '#api/gen/types';
import { removalMs } from './cleaner-controller.ts';
import { validity } from './signing.ts';

const now = Date.UTC(2026, 5, 1);
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

test.each([
  ['a year when nothing is asked', undefined, 365 * day - 5 * minute],
  ['never more than a year', 1_000_000_000, 365 * day - 5 * minute],
  ['never less than ten minutes', 1, 10 * minute],
  ['a short life in full', 3600, hour],
  ['a long life from when it was backdated', 9 * 3600, 9 * hour - 5 * minute],
])('a certificate is good for %s', (_what, seconds, lifeMs) => {
  expect(validity(seconds, now, Infinity)).toEqual({ fromMs: now - 5 * minute, untilMs: now + lifeMs });
  expect(validity(seconds, now, now + minute).untilMs).toBe(now + minute);
});

test('requests go an hour after they were decided, and a day after they were made if nobody did', () => {
  const made = '2026-06-01T00:00:00Z';
  const request = (status: CertificateSigningRequest['status']): CertificateSigningRequest => ({
    ...{ apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest' },
    metadata: { name: 'r', creationTimestamp: made },
    spec: { request: '', signerName: 'example.com/a' },
    ...(status ? { status } : {}),
  });
  const decided = (type: string) => ({ type, status: 'True', lastUpdateTime: '2026-06-01T02:00:00Z' });
  expect(removalMs(request({}))).toBe(now + day);
  expect(removalMs(request({ conditions: [decided('Denied')] }))).toBe(now + 3 * hour);
  expect(removalMs(request({ conditions: [decided('Approved')] }))).toBe(Infinity);
  expect(removalMs(request({ conditions: [decided('Approved')], certificate: 'AAAA' }))).toBe(now + 3 * hour);
});
