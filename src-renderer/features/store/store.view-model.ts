import type { WriteRecord } from '#base/cause';
import { whoWrote } from '../../state/models/writer.view-model.ts';

/** `kubelet worker-1: update pods/status default/web-0, because of rev 1841`. */
export function storyOf(record: WriteRecord | undefined): string {
  if (!record) return 'no record is kept of who wrote this';
  const because = record.causedBy === undefined ? '' : `, because of rev ${record.causedBy}`;
  return `${whoWrote(record)}: ${record.request}${because}`;
}

/** The same, where the key stands beside it: `kubelet worker-1: update pods/status, because of rev 1841`. */
export function briefStoryOf(record: WriteRecord | undefined): string {
  if (!record) return storyOf(record);
  return storyOf({ ...record, request: record.request.split(' ').slice(0, 2).join(' ') });
}

/** `1 842`: groups of three, thin-spaced. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ' ');
}

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  return size < 1024 ** 2 ? `${(size / 1024).toFixed(1)} KiB` : `${(size / 1024 ** 2).toFixed(1)} MiB`;
}

/** `12 %` */
export function shareOf(part: number, whole: number): string {
  return `${Math.round((Math.max(0, part) / Math.max(1, whole)) * 100)} %`;
}
