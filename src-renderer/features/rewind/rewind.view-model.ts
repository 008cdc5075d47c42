import type { WriteRecord } from '#base/cause';
import type { RewindMoment } from '#contract/rewind';
import { longestWaitMs } from '../../state/models/playback.view-model.ts';
import { duration, timeOfDay } from '../../state/models/time.view-model.ts';
import { whoWrote } from '../../state/models/writer.view-model.ts';

const verbs: Readonly<Record<string, string>> = {
  create: 'created',
  update: 'updated',
  patch: 'changed',
  delete: 'deleted',
  apply: 'applied',
  deletecollection: 'deleted all',
};

/** `you created deployments default/web`, `scheduler created pods/binding default/web-0, because of rev 17`. */
export function sentenceOf(record: WriteRecord | undefined): string {
  if (!record) return 'no record is kept of who wrote this; the store itself deletes what has run out';
  const [verb = '', ...what] = record.request.split(' ');
  const because = record.causedBy === undefined ? '' : `, because of rev ${record.causedBy}`;
  return `${whoWrote(record)} ${verbs[verb] ?? verb} ${what.join(' ')}${because}`;
}

/** `14:03:07`, `about 14:03:07` where the revision does not tell its own time. */
export function timeWords(moment: RewindMoment): string {
  if (moment.timeMs === undefined) return 'at an unknown time';
  return `${moment.exact ? '' : 'about '}${timeOfDay(moment.timeMs)}`;
}

/** `4 min ago` */
export function agoWords(moment: RewindMoment, nowMs: number): string {
  return moment.timeMs === undefined ? '' : `${duration(nowMs - moment.timeMs)} ago`;
}

/** `silence of 40 s, shown as 2 s` */
export function silenceWords(shortenedMs: number | undefined): string {
  return shortenedMs === undefined ? '' : `silence of ${duration(shortenedMs)}, shown as ${longestWaitMs / 1000} s`;
}
