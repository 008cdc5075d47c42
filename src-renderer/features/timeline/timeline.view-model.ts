import type { CoreV1Event } from '#api/gen/types';
import { epochOf } from '../../state/models/time.view-model.ts';

export interface TimelineRow {
  readonly uid: string;
  readonly atMs: number;
  readonly warning: boolean;
  readonly reason: string;
  readonly message: string;
  /** `Pod web-0` */
  readonly about: string;
  readonly aboutUid: string;
  readonly kind: string;
  readonly source: string;
  readonly count: number;
  /** Orders what happened in the same second. */
  readonly revision: number;
}

/** Events are immutable: their rows are made once. */
const rows = new WeakMap<CoreV1Event, TimelineRow>();

export function rowOf(event: CoreV1Event): TimelineRow {
  const row = rows.get(event) ?? makeRow(event);
  rows.set(event, row);
  return row;
}

function makeRow(event: CoreV1Event): TimelineRow {
  const { involvedObject: about, metadata } = event;
  const last = event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? metadata.creationTimestamp;
  return {
    uid: metadata.uid ?? '',
    atMs: epochOf(last) ?? 0,
    warning: event.type === 'Warning',
    reason: event.reason ?? '',
    message: event.message ?? '',
    about: `${about.kind ?? ''} ${about.name ?? ''}`.trim(),
    aboutUid: about.uid ?? '',
    kind: about.kind ?? '',
    source: event.reportingComponent || event.source?.component || '',
    count: event.series?.count ?? event.count ?? 1,
    revision: Number(metadata.resourceVersion ?? 0),
  };
}

/** Newest first; only those that hold every word of `filter`, and only warnings when asked. */
export function timeline(
  events: readonly CoreV1Event[],
  filter: string,
  warningsOnly: boolean,
): readonly TimelineRow[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return events
    .map(rowOf)
    .filter((row) => !warningsOnly || row.warning)
    .filter((row) => {
      const text = `${row.about} ${row.reason} ${row.message} ${row.source}`.toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .sort((a, b) => b.atMs - a.atMs || b.revision - a.revision);
}

export interface Decision {
  readonly uid: string;
  readonly atMs: number;
  readonly revision: number;
  readonly placed: boolean;
  readonly pod: string;
  readonly podUid: string;
  readonly text: string;
}

/** The scheduler's last decisions, as it tells them in its events. */
export function decisions(events: readonly CoreV1Event[]): readonly Decision[] {
  return events
    .filter((event) => event.reason === 'Scheduled' || event.reason === 'FailedScheduling')
    .map((event) => {
      const row = rowOf(event);
      const placed = event.reason === 'Scheduled';
      const node = / to (\S+)$/.exec(row.message)?.[1];
      const text = placed && node ? `bound to ${node}` : row.message;
      return {
        uid: row.uid,
        atMs: row.atMs,
        revision: row.revision,
        placed,
        pod: event.involvedObject.name ?? '',
        podUid: row.aboutUid,
        text,
      };
    })
    .sort((a, b) => b.atMs - a.atMs || b.revision - a.revision);
}
