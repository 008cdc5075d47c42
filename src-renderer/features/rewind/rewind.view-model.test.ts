import { describe, expect, it } from 'vitest';
import { agoWords, sentenceOf, silenceWords, timeWords } from './rewind.view-model.ts';

const record = (user: string, request: string, causedBy?: string) => ({
  ...{ user, request, userAgent: 'test', traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), timeMs: 0 },
  ...(causedBy === undefined ? {} : { causedBy }),
});

describe('the banner of the past', () => {
  it('says who did what, and why', () => {
    expect(sentenceOf(record('kubernetes-admin', 'create deployments default/web'))).toBe(
      'you created deployments default/web',
    );
    expect(sentenceOf(record('system:kube-scheduler', 'create pods/binding default/web-0', '17'))).toBe(
      'scheduler created pods/binding default/web-0, because of rev 17',
    );
    expect(sentenceOf(undefined)).toContain('no record is kept');
  });

  it('says about when, and how a silence is shortened', () => {
    const moment = { revision: 7, timeMs: 120_000 };
    expect(timeWords({ ...moment, exact: true })).toMatch(/^\d\d:\d\d:\d\d$/);
    expect(timeWords({ ...moment, exact: false })).toMatch(/^about /);
    expect(timeWords({ revision: 7, exact: false })).toBe('at an unknown time');
    expect(agoWords({ ...moment, exact: true }, 160_000)).toBe('40 s ago');
    expect(silenceWords(40_000)).toBe('silence of 40 s, shown as 2 s');
    expect(silenceWords(undefined)).toBe('');
  });
});
