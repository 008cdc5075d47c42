import type { Context } from '#base/context';
import type { WriteRecord } from '#base/cause';
import type { KubeObject } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import type { RewindChange, RewindItem, RewindMoment, RewindResource, RewindSpan, RewindStep } from '#contract/rewind';
import type { StreamEvent } from '#contract/watches';
import type { ContractHandlers } from '#host/handlers';

interface Write {
  readonly revision: number;
  readonly key: string;
  readonly resource: string;
  readonly uid: string;
  readonly object: KubeObject | undefined;
  readonly record: WriteRecord;
}

const shown: readonly string[] = [
  ...['nodes', 'pods', 'deployments', 'replicasets', 'statefulsets', 'daemonsets'],
  ...['jobs', 'cronjobs', 'services', 'events', 'leases'],
];

/** The history of a scripted host: every put and delete, kept as the store keeps it. */
export class FakeRewind {
  readonly #writes: Write[] = [];
  add(write: Write): void {
    this.#writes.push(write);
  }

  readonly calls: Pick<ContractHandlers['calls'], 'rewind.range' | 'rewind.changes'> = {
    'rewind.range': async () => ({ oldest: this.#moment(this.oldest), newest: this.#moment(this.#newest) }),
    'rewind.changes': async (_context, { from, to, before }) => {
      if (from <= this.oldest) throw new StatusError('Expired', `revision ${from - 1} is compacted`);
      const writes = this.#writes.filter((one) => one.revision >= from && one.revision <= to).slice(0, 512);
      const steps = writes.map((one) => this.#step(one, before === true));
      return { base: this.#moment(from - 1), steps, newestRevision: this.#newest };
    },
  };

  readonly watches = {
    'rewind.state': (_context: Context, { revision }: { readonly revision: number }) => this.#state(revision),
    'rewind.writes': (
      _context: Context,
      request: { readonly from: number; readonly to: number; readonly spans: number },
    ) => this.#spans(request),
  };

  /** What is before the script's first write is compacted. */
  get oldest(): number {
    return this.#writes[0]?.revision ?? 1;
  }

  get #newest(): number {
    return this.#writes.at(-1)?.revision ?? 1;
  }

  #moment(revision: number): RewindMoment {
    const record = this.#writes.find((one) => one.revision === revision)?.record;
    const near = record ?? this.#writes[0]?.record;
    return {
      revision,
      exact: record !== undefined,
      ...(near ? { timeMs: near.timeMs } : {}),
      ...(record ? { record } : {}),
    };
  }

  #step(write: Write, wantsBefore: boolean): RewindStep {
    const earlier = this.#writes.findLast((one) => one.uid === write.uid && one.revision < write.revision)?.object;
    const change: RewindChange = {
      resource: write.resource as RewindResource,
      uid: write.uid,
      ...(wantsBefore && earlier ? { before: earlier } : {}),
      ...(write.object ? { after: write.object } : {}),
    };
    const changes = shown.includes(write.resource) ? [change] : [];
    return {
      ...this.#moment(write.revision),
      writes: [{ type: write.object ? 'PUT' : 'DELETE', key: write.key, size: 0, created: !earlier }],
      changes,
    };
  }

  async *#state(revision: number): AsyncGenerator<StreamEvent<RewindItem>> {
    if (revision < this.oldest) throw new StatusError('Expired', `revision ${revision} is compacted`);
    yield { type: 'ADDED', object: { kind: 'moment', moment: this.#moment(revision) } };
    const newest = new Map<string, Write>();
    for (const write of this.#writes) if (write.revision <= revision) newest.set(write.uid, write);
    for (const { resource, object } of newest.values())
      if (object && shown.includes(resource))
        yield { type: 'ADDED', object: { kind: 'object', resource: resource as RewindResource, object } };
    yield { type: 'BOOKMARK' };
  }

  async *#spans(request: {
    readonly from: number;
    readonly to: number;
    readonly spans: number;
  }): AsyncGenerator<StreamEvent<RewindSpan>> {
    const [from, to] = [Math.max(this.oldest, request.from), Math.min(this.#newest, request.to)];
    const size = Math.max(1, Math.ceil((to - from + 1) / request.spans));
    for (let first = from; first <= to; first += size) {
      const last = Math.min(to, first + size - 1);
      const writes = this.#writes.filter((one) => one.revision >= first && one.revision <= last);
      const marks = writes.filter((one) => !one.record.user.startsWith('system:'));
      const times = { firstMs: writes[0]?.record.timeMs ?? 0, lastMs: writes.at(-1)?.record.timeMs ?? 0 };
      const changes = writes.filter((one) => one.resource !== 'events' && one.resource !== 'leases').length;
      yield { type: 'ADDED', object: { first, last, ...times, changes, marks: marks.slice(-3) } };
    }
    yield { type: 'BOOKMARK' };
  }
}
