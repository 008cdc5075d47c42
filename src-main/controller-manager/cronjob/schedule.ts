import { Cron } from 'croner';
import { messageOf } from '#base/errors';

/** What is wrong with `spec.schedule` or `spec.timeZone`. */
export class ScheduleError extends Error {
  override readonly name = 'ScheduleError';
  readonly field: 'schedule' | 'timeZone';

  constructor(field: 'schedule' | 'timeZone', message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.field = field;
  }
}

/** Times at which a CronJob starts jobs. All in milliseconds since the epoch; the schedule itself knows no clock. */
export interface Schedule {
  /** The first time after `afterMs`; undefined when there is none (30 February). */
  next(afterMs: number): number | undefined;
}

/** More missed times than this are not looked at one by one (`mostRecentScheduleTime`, release 1.36). */
const tooManyMissed = 100;

const everyPattern = /^@every\s+(?=\S)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/;

/**
 * Reads a schedule in the five fields of crontab(5), a nickname like `@hourly`, or `@every 1h30m` (robfig/cron, which
 * upstream uses). Without a time zone it is read in UTC. Throws {@link ScheduleError}.
 */
export function parseSchedule(text: string, timeZone = 'UTC'): Schedule {
  checkTimeZone(timeZone);
  const every = everyPattern.exec(text.trim());
  if (every) return everySchedule(every);
  const cron = parseCron(text, timeZone);
  return { next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime() };
}

function everySchedule([, hours, minutes, seconds]: RegExpExecArray): Schedule {
  const periodMs = (Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0)) * 1000;
  if (periodMs === 0) throw new ScheduleError('schedule', '@every needs a duration of a second at least');
  return { next: (afterMs) => Math.floor(afterMs / 1000) * 1000 + periodMs };
}

function checkTimeZone(timeZone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch (error) {
    throw new ScheduleError('timeZone', `unknown time zone ${timeZone}`, { cause: error });
  }
}

function parseCron(text: string, timezone: string): Cron {
  const fields = text.trim().split(/\s+/);
  if (!text.startsWith('@') && fields.length !== 5) {
    throw new ScheduleError('schedule', `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`);
  }
  // croner has letters of its own (L, W, #) that crontab does not, and reads ? as "now".
  const foreign = /[#+]|(?:^|[\s,\d])[LW](?:$|[\s,])/i.exec(text);
  if (foreign) throw new ScheduleError('schedule', `failed to parse ${JSON.stringify(foreign[0].trim())} in ${text}`);
  try {
    const pattern = fields.join(' ').replaceAll('?', '*');
    return new Cron(pattern, {
      timezone,
      paused: true,
      sloppyRanges: true,
      ...(text.startsWith('@') ? {} : { mode: '5-part' }),
    });
  } catch (error) {
    throw new ScheduleError('schedule', messageOf(error), { cause: error });
  }
}

export interface MissedTimes {
  /** The latest time that has come since the last job; undefined when none has. */
  readonly latestMs: number | undefined;
  /** So many times have passed that something is wrong: a clock that jumped, a controller that was down. */
  readonly tooMany: boolean;
}

/**
 * The most recent time to start a job between `earliestMs` (not included) and `nowMs` (`mostRecentScheduleTime`, release
 * 1.36). After a long pause it walks from near the end instead of through all of it.
 */
export function mostRecentTime(schedule: Schedule, earliestMs: number, nowMs: number): MissedTimes {
  let latestMs: number | undefined;
  let missed = 0;
  for (let next = schedule.next(earliestMs); next !== undefined && next <= nowMs; next = schedule.next(next)) {
    latestMs = next;
    missed++;
    if (missed <= tooManyMissed) continue;
    return { latestMs: lastBefore(schedule, next, nowMs), tooMany: true };
  }
  return { latestMs, tooMany: false };
}

/** Doubles its distance from `nowMs` until a time lies within, then walks the rest. */
function lastBefore(schedule: Schedule, knownMs: number, nowMs: number): number {
  for (let backMs = 60_000; nowMs - backMs > knownMs; backMs *= 2) {
    let latest: number | undefined;
    const first = schedule.next(nowMs - backMs);
    for (let next = first; next !== undefined && next <= nowMs; next = schedule.next(next)) latest = next;
    if (latest !== undefined) return latest;
  }
  let latest = knownMs;
  for (let next = schedule.next(knownMs); next !== undefined && next <= nowMs; next = schedule.next(next))
    latest = next;
  return latest;
}
