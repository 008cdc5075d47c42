import type { Pod } from '#api/gen/types';
import { finishedMs } from './job-pod.ts';

/** `DefaultJobPodFailureBackOff` and `MaxJobPodFailureBackOff`, release 1.36. */
const initialMs = 10_000;
const maxMs = 10 * 60_000;

interface Record {
  /** Failures since the last success. */
  readonly failures: number;
  readonly lastMs: number;
}

/** How long a job waits before it replaces a failed pod: 10 s, 20 s, 40 s ... up to 10 minutes, until a pod succeeds. */
export class FailureBackoff {
  readonly #records = new Map<string, Record>();

  /** Call once for each pod that ended. */
  observe(key: string, succeeded: readonly Pod[], failed: readonly Pod[], nowMs: number): void {
    if (succeeded.length + failed.length === 0) return;
    const ends = [
      ...succeeded.map((pod) => ({ ms: finishedMs(pod, nowMs), failed: false })),
      ...failed.map((pod) => ({ ms: finishedMs(pod, nowMs), failed: true })),
    ].sort((a, b) => a.ms - b.ms);
    let { failures, lastMs } = this.#records.get(key) ?? { failures: 0, lastMs: 0 };
    for (const end of ends) {
      failures = end.failed ? failures + 1 : 0;
      lastMs = end.ms;
    }
    this.#records.set(key, { failures, lastMs });
  }

  leftMs(key: string, nowMs: number): number {
    const record = this.#records.get(key);
    if (!record || record.failures === 0) return 0;
    return record.lastMs + Math.min(maxMs, initialMs * 2 ** (record.failures - 1)) - nowMs;
  }

  forget(key: string): void {
    this.#records.delete(key);
  }
}
