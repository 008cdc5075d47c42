import type { Pod, PodStatus } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { CancelledError, messageOf } from '#base/errors';
import { jsonEqual } from '#base/freeze';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { KubeClient, ResourceClient } from '#client/client';
import { pods } from '#client/resources';
import { answering } from './cause.ts';
import { uidOf } from './pod-facts.ts';
import { kubeletConditions, stampConditions } from './pod-status.ts';

interface Entry {
  pod: Pod;
  wanted: PodStatus;
  dirty: boolean;
  writing: Promise<void> | undefined;
  timer: Disposable | undefined;
  failures: number;
}

/** A status that only says "still starting" waits this long for a better one: most pods then need a single write. */
const coalesceMs = 150;
const retryMs = 1_000;

/**
 * Writes pod statuses to the API server: only changes, newest wins, conflicts are retried on the newer object
 * (pkg/kubelet/status, release 1.36).
 */
export class StatusManager {
  readonly #pods: ResourceClient<Pod>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #context: Context;
  readonly #entries = new Map<string, Entry>();

  constructor(context: Context, client: KubeClient, clock: Clock, random: Random, logger: Logger) {
    this.#context = context;
    this.#random = random;
    this.#pods = client.resource<Pod>(pods);
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The pod came by watch: later writes start from it. */
  observe(pod: Pod): void {
    const entry = this.#entries.get(uidOf(pod));
    if (entry && isNewer(pod, entry.pod)) entry.pod = pod;
  }

  /** The last status that was decided on, written or not. */
  get(uid: string): PodStatus | undefined {
    return this.#entries.get(uid)?.wanted;
  }

  /** Decides on a status. `may-wait` lets it be overtaken by a better one for a moment. */
  set(pod: Pod, status: PodStatus, urgency: 'now' | 'may-wait'): void {
    const uid = uidOf(pod);
    const entry = this.#entries.get(uid) ?? this.#add(uid, pod);
    if (isNewer(pod, entry.pod)) entry.pod = pod;
    const before = [...(entry.wanted.conditions ?? []), ...(pod.status?.conditions ?? [])];
    const conditions = stampConditions(status.conditions ?? [], before, this.#clock.now());
    const wanted = { ...status, conditions };
    if (jsonEqual(wanted, entry.wanted) && !entry.dirty) return;
    entry.wanted = wanted;
    entry.dirty = true;
    if (urgency === 'now') this.#writeSoon(entry);
    else entry.timer ??= this.#clock.setTimer(coalesceMs, () => this.#writeSoon(entry));
  }

  /** Resolves when the last decided status is written, or the pod is gone. */
  async flush(uid: string): Promise<void> {
    for (let entry = this.#entries.get(uid); entry?.dirty || entry?.writing; entry = this.#entries.get(uid)) {
      this.#writeSoon(entry);
      await entry.writing;
      if (entry.dirty && entry.timer) await this.#clock.sleep(this.#context, retryMs);
    }
  }

  forget(uid: string): void {
    this.#entries.get(uid)?.timer?.dispose();
    this.#entries.delete(uid);
  }

  #add(uid: string, pod: Pod): Entry {
    const entry: Entry = {
      pod,
      wanted: pod.status ?? {},
      dirty: false,
      writing: undefined,
      timer: undefined,
      failures: 0,
    };
    this.#entries.set(uid, entry);
    return entry;
  }

  #writeSoon(entry: Entry): void {
    entry.timer?.dispose();
    entry.timer = undefined;
    if (entry.writing || !entry.dirty || this.#context.ended) return;
    entry.writing = this.#write(entry)
      .catch((error: unknown) => this.#failed(entry, error))
      .finally(() => {
        entry.writing = undefined;
        if (entry.dirty && !entry.timer && this.#entries.get(uidOf(entry.pod)) === entry) this.#writeSoon(entry);
      });
  }

  #failed(entry: Entry, error: unknown): void {
    if (error instanceof CancelledError || this.#context.ended) {
      entry.dirty = false;
      return;
    }
    entry.dirty = true;
    this.#logger.warn('pod status not written', { pod: entry.pod.metadata.name, error: messageOf(error) });
    entry.timer = this.#clock.setTimer(Math.min(30_000, retryMs * 2 ** entry.failures++), () => this.#writeSoon(entry));
  }

  async #write(entry: Entry): Promise<void> {
    entry.dirty = false;
    for (;;) {
      const { pod } = entry;
      const status = mergeStatus(pod.status ?? {}, entry.wanted);
      if (jsonEqual(status, pod.status)) return;
      try {
        const written = await answering(this.#context, this.#random, pod, (context) =>
          this.#pods.updateStatus(context, { ...pod, status }),
        );
        if (isNewer(written, entry.pod)) entry.pod = written;
        entry.failures = 0;
        return;
      } catch (error) {
        if (isStatus(error, 'NotFound')) return;
        if (!isStatus(error, 'Conflict')) throw error;
        const fresh = await this.#refetch(pod);
        if (!fresh) return;
        entry.pod = fresh;
      }
    }
  }

  /** The pod as it is now; undefined when it is gone or another took its name. */
  async #refetch(pod: Pod): Promise<Pod | undefined> {
    try {
      const fresh = await this.#pods.get(this.#context, pod.metadata.namespace ?? '', pod.metadata.name ?? '');
      return uidOf(fresh) === uidOf(pod) ? fresh : undefined;
    } catch (error) {
      if (isStatus(error, 'NotFound')) return undefined;
      throw error;
    }
  }
}

/** The kubelet's status over what others wrote: their conditions and fields stay. */
function mergeStatus(current: PodStatus, wanted: PodStatus): PodStatus {
  const own = new Set((wanted.conditions ?? []).map((item) => item.type));
  const foreign = (current.conditions ?? []).filter((item) => !kubeletConditions.has(item.type) && !own.has(item.type));
  const { reason: _reason, message: _message, ...kept } = current;
  return { ...kept, ...wanted, conditions: [...(wanted.conditions ?? []), ...foreign] };
}

/** Resource versions of one resource can be compared as numbers (KEP-5504, on in release 1.36). */
function isNewer(a: Pod, b: Pod): boolean {
  return BigInt(a.metadata.resourceVersion ?? '0') > BigInt(b.metadata.resourceVersion ?? '0');
}
