import type { OpenWatch } from './watch-cache/cache-watcher.ts';

/** Seconds; the bounds of `apiserver_request_duration_seconds` (release 1.36). */
export const latencyBounds = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
] as const;

export interface RequestLabels {
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
}

/** How one kind of request fared. */
export interface RequestSeries extends RequestLabels {
  /** Answers by HTTP status. */
  readonly codes: Map<number, number>;
  /** Requests per bucket of {@link latencyBounds}, not summed up; the last one is beyond the last bound. */
  readonly buckets: number[];
  sumSeconds: number;
  count: number;
}

export interface ApiServerWatch extends OpenWatch {
  /** `pods`, `deployments.apps`. */
  readonly resource: string;
}

interface WatchSource {
  watchers(): ReadonlyMap<string, number>;
  openWatches(): readonly ApiServerWatch[];
}

/** What the API server counts, for `/metrics` and the app. */
export class ApiServerMetrics {
  readonly #series = new Map<string, RequestSeries>();
  readonly #source: WatchSource;
  #inFlight = 0;

  constructor(source: WatchSource) {
    this.#source = source;
  }

  /** Requests being answered; open watches are not among them. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get requests(): readonly RequestSeries[] {
    return [...this.#series.values()];
  }

  /** Open watches by resource (`pods`, `deployments.apps`). */
  get watchers(): ReadonlyMap<string, number> {
    return this.#source.watchers();
  }

  /** The same one by one: who watches, and how many events each was handed. */
  get openWatches(): readonly ApiServerWatch[] {
    return this.#source.openWatches();
  }

  /** Call the answer once, with the HTTP status. Times are real milliseconds. */
  started(labels: RequestLabels): (status: number) => void {
    const startedMs = performance.now();
    this.#inFlight++;
    return (status) => {
      this.#inFlight--;
      this.#count(labels, status, (performance.now() - startedMs) / 1000);
    };
  }

  #count(labels: RequestLabels, status: number, seconds: number): void {
    const { verb, group, version, resource, subresource } = labels;
    const key = `${verb} ${group}/${version}/${resource}/${subresource}`;
    let series = this.#series.get(key);
    if (!series) {
      const buckets = Array.from({ length: latencyBounds.length + 1 }, () => 0);
      series = { verb, group, version, resource, subresource, codes: new Map(), buckets, sumSeconds: 0, count: 0 };
      this.#series.set(key, series);
    }
    series.codes.set(status, (series.codes.get(status) ?? 0) + 1);
    const bucket = latencyBounds.findIndex((bound) => seconds <= bound);
    const index = bucket < 0 ? latencyBounds.length : bucket;
    series.buckets[index] = (series.buckets[index] ?? 0) + 1;
    series.sumSeconds += seconds;
    series.count++;
  }
}
