import type { KubeObject } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import type {
  RewindChanges,
  RewindItem,
  RewindMoment,
  RewindRange,
  RewindResource,
  RewindSpan,
} from '#contract/rewind';
import type { WatchName, WatchItem, WatchRequest } from '#contract/watches';
import type { Connection } from '../ipc/connection.ts';

export interface PastState {
  readonly moment: RewindMoment;
  readonly objects: ReadonlyMap<RewindResource, ReadonlyMap<string, KubeObject>>;
}

/** Reads a lab's past. Everything throws StatusError; reason Expired when it was compacted. */
export class RewindReader {
  readonly #connection: Connection;
  readonly #lab: string;

  constructor(connection: Connection, lab: string) {
    this.#connection = connection;
    this.#lab = lab;
  }

  range(): Promise<RewindRange> {
    return this.#connection.call('rewind.range', { lab: this.#lab });
  }

  changes(from: number, to: number, before = false): Promise<RewindChanges> {
    return this.#connection.call('rewind.changes', { lab: this.#lab, from, to, ...(before ? { before } : {}) });
  }

  async state(revision: number): Promise<PastState> {
    let moment: RewindMoment = { revision, exact: false };
    const objects = new Map<RewindResource, Map<string, KubeObject>>();
    await this.#readAll('rewind.state', { lab: this.#lab, revision }, (item: RewindItem) => {
      if (item.kind === 'moment') moment = item.moment;
      else {
        const there = objects.get(item.resource) ?? new Map<string, KubeObject>();
        there.set(item.object.metadata.uid ?? '', item.object);
        objects.set(item.resource, there);
      }
    });
    return { moment, objects };
  }

  /** Tells each span as it comes. Returns what gives up. */
  writes(from: number, to: number, spans: number, take: (spans: readonly RewindSpan[]) => void): () => void {
    return this.#connection.watch(
      'rewind.writes',
      { lab: this.#lab, from, to, spans },
      {
        onEvents: (events) => take(events.flatMap((event) => (event.type === 'ADDED' ? [event.object] : []))),
        onEnd: () => undefined, // The bars are a help; without them the slider works as well.
      },
    );
  }

  /** Resolves at the BOOKMARK. */
  #readAll<N extends WatchName>(name: N, request: WatchRequest<N>, take: (item: WatchItem<N>) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#connection.watch(name, request, {
        onEvents: (events) => {
          for (const event of events) {
            if (event.type === 'BOOKMARK') resolve();
            else if (event.type !== 'ERROR') take(event.object);
          }
        },
        onEnd: (error) => reject(error ?? new StatusError('ServiceUnavailable', 'the past ended before it was read')),
      });
    });
  }
}
