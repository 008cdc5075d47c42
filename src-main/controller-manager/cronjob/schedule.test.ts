import { describe, expect, test } from 'vitest';
import { mostRecentTime, parseSchedule } from './schedule.ts';

const at = (text: string): number => Date.parse(text);

function nextOf(schedule: string, after: string, timeZone?: string): string | undefined {
  const next = parseSchedule(schedule, timeZone).next(at(after));
  return next === undefined ? undefined : new Date(next).toISOString();
}

describe('parseSchedule', () => {
  test.each([
    ['* * * * *', '2026-01-01T00:00:00Z', '2026-01-01T00:01:00.000Z'],
    ['*/15 * * * *', '2026-01-01T00:14:59Z', '2026-01-01T00:15:00.000Z'],
    ['5/20 * * * *', '2026-01-01T00:06:00Z', '2026-01-01T00:25:00.000Z'],
    ['0 3 * * MON', '2026-01-01T00:00:00Z', '2026-01-05T03:00:00.000Z'],
    ['0 0 29 2 ?', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['@hourly', '2026-01-01T00:30:00Z', '2026-01-01T01:00:00.000Z'],
    ['@every 1h30m', '2026-01-01T00:30:00Z', '2026-01-01T02:00:00.000Z'],
  ])('%s after %s is %s', (schedule, after, expected) => {
    expect(nextOf(schedule, after)).toBe(expected);
  });

  test('reads the schedule in its time zone', () => {
    expect(nextOf('0 9 * * *', '2026-07-01T00:00:00Z', 'Europe/Berlin')).toBe('2026-07-01T07:00:00.000Z');
    expect(nextOf('0 9 * * *', '2026-01-01T00:00:00Z', 'Europe/Berlin')).toBe('2026-01-01T08:00:00.000Z');
  });

  test.each(['', '* * * *', '* * * * * *', '61 * * * *', '0 0 L * *', '0 0 * * 5#2', 'no'])(
    'refuses %j',
    (schedule) => {
      expect(() => parseSchedule(schedule)).toThrow(
        expect.objectContaining({ name: 'ScheduleError', field: 'schedule' }),
      );
    },
  );

  test('refuses a time zone nobody knows', () => {
    expect(() => parseSchedule('* * * * *', 'Mars/Olympus')).toThrow(expect.objectContaining({ field: 'timeZone' }));
  });
});

describe('mostRecentTime', () => {
  const schedule = parseSchedule('*/5 * * * *');

  test('is the last of the missed times', () => {
    const missed = mostRecentTime(schedule, at('2026-01-01T00:00:00Z'), at('2026-01-01T00:21:00Z'));
    expect(missed).toEqual({ latestMs: at('2026-01-01T00:20:00Z'), tooMany: false });
    expect(mostRecentTime(schedule, at('2026-01-01T00:20:00Z'), at('2026-01-01T00:24:59Z')).latestMs).toBeUndefined();
  });

  test('finds it after years without walking all of them', () => {
    const missed = mostRecentTime(schedule, at('2020-01-01T00:00:00Z'), at('2026-01-01T00:21:00Z'));
    expect(missed).toEqual({ latestMs: at('2026-01-01T00:20:00Z'), tooMany: true });
  });
});
