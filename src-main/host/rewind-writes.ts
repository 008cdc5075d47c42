import type { WriteRecord } from '#base/cause';
import type { Context } from '#base/context';
import { Pacer } from '#base/pacer';
import type { EtcdClient } from '#etcd/client';
import type { RewindMark, RewindSpan } from '#contract/rewind';
import type { StreamEvent } from '#contract/watches';
import { readBounds, readRecords } from './rewind-moments.ts';

/** Records read in one go: about two milliseconds' work. */
const sliceSize = 500;
const marksInSpan = 3;
/** Who keeps the pulse: leases and events come whether anything happens or not. */
const pulse = /^\w+ (leases|events)\b/;
/** Users that are programs of the cluster, or Drydock itself. */
const programs = /^(system:|drydock)/;

export interface WritesRequest {
  readonly from: number;
  readonly to: number;
  readonly spans: number;
}

/** The background of the slider: how much happened in each span of revisions, read in slices between other work. */
export async function* rewindWrites(
  context: Context,
  etcd: EtcdClient,
  request: WritesRequest,
): AsyncGenerator<StreamEvent<RewindSpan>> {
  const bounds = await readBounds(context, etcd);
  const first = Math.max(request.from, bounds.oldest);
  const last = Math.min(request.to, bounds.newest);
  const size = Math.max(1, Math.ceil((last - first + 1) / request.spans));
  const pacer = new Pacer();
  for (let from = first; from <= last && !context.ended; from += size) {
    const to = Math.min(last, from + size - 1);
    const span = new SpanCount(from, to);
    for (let start = from; start <= to; start += sliceSize) {
      const rows = await readRecords(context, etcd, start, Math.min(to, start + sliceSize - 1));
      for (const row of rows) span.add(row.revision, row.record);
      if (pacer.due) await pacer.pace();
    }
    yield { type: 'ADDED', object: span.result() };
  }
  yield { type: 'BOOKMARK' };
}

class SpanCount {
  readonly #first: number;
  readonly #last: number;
  #times: { readonly firstMs: number; readonly lastMs: number } | undefined;
  #changes = 0;
  #marks: readonly RewindMark[] = [];

  constructor(first: number, last: number) {
    this.#first = first;
    this.#last = last;
  }

  add(revision: number, record: WriteRecord): void {
    this.#times = { firstMs: this.#times?.firstMs ?? record.timeMs, lastMs: record.timeMs };
    if (!pulse.test(record.request)) this.#changes++;
    if (isPerson(record)) this.#marks = [...this.#marks.slice(1 - marksInSpan), { revision, record }];
  }

  result(): RewindSpan {
    const [first, last] = [this.#first, this.#last];
    return { first, last, ...this.#times, changes: this.#changes, marks: this.#marks };
  }
}

function isPerson({ user, request }: WriteRecord): boolean {
  return !programs.test(user) && !pulse.test(request);
}
