import type { Pod } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import type { Clock } from '#base/clock';
import type { Disposable } from '#base/disposable';
import { priorityOf } from './cache.ts';
import type { ClusterEvent } from './framework.ts';
import { Heap } from './heap.ts';

/** kube-scheduler defaults, release 1.36. */
const initialBackoffMs = 1_000;
const maxBackoffMs = 10_000;
const flushEveryMs = 30_000;
const longestWaitMs = 300_000;

/** A pod that waits for a node. */
export interface QueuedPod {
  readonly key: string;
  readonly pod: Pod;
  readonly addedMs: number;
  readonly order: number;
  /** Tries so far. */
  readonly attempts: number;
}

interface Unschedulable {
  readonly queued: QueuedPod;
  readonly sinceMs: number;
  /** What may let it in; undefined for a pod with scheduling gates, which only its own update does. */
  readonly events: ReadonlySet<ClusterEvent> | undefined;
}

interface BackingOff {
  readonly queued: QueuedPod;
  readonly dueMs: number;
  /** After an error the whole backoff is waited for; otherwise an idle scheduler takes the pod early. */
  readonly afterError: boolean;
  readonly timer: Disposable;
}

/**
 * Pods without a node (`internal/queue.PriorityQueue`, release 1.36). Each is in one of three places:
 *
 *   active         to be tried next: by priority, then by age
 *   backoff        tried lately: becomes active after 1, 2, 4, 8, 10 s, or when there is nothing else to do
 *   unschedulable  fits nowhere until one of the changes happens that its refusers wait for, or five minutes went by
 */
export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #onActive: () => void;
  readonly #active = new Heap<QueuedPod>(comesFirst);
  /** What is active, by key: heap entries that are not in here any more are skipped. */
  readonly #activeByKey = new Map<string, QueuedPod>();
  readonly #backoff = new Map<string, BackingOff>();
  readonly #unschedulable = new Map<string, Unschedulable>();
  #order = 0;
  #flush: Disposable | undefined;

  /** `onActive` is called whenever a pod becomes active. */
  constructor(clock: Clock, onActive: () => void) {
    this.#clock = clock;
    this.#onActive = onActive;
  }

  get counts(): { readonly active: number; readonly backoff: number; readonly unschedulable: number } {
    return { active: this.#activeByKey.size, backoff: this.#backoff.size, unschedulable: this.#unschedulable.size };
  }

  start(): void {
    this.#flush = this.#clock.setTimer(flushEveryMs, () => {
      const oldest = this.#clock.now() - longestWaitMs;
      for (const entry of [...this.#unschedulable.values()])
        if (entry.events && entry.sinceMs <= oldest) this.#revive(entry);
      this.start();
    });
  }

  close(): void {
    this.#flush?.dispose();
    for (const { timer } of this.#backoff.values()) timer.dispose();
    this.#backoff.clear();
    this.#activeByKey.clear();
    this.#unschedulable.clear();
  }

  /** A pod that is new, or that was changed in a way that may let it in. */
  add(pod: Pod): void {
    const key = objectKey(pod);
    const known = this.#find(key);
    this.delete(key);
    const queued = {
      key,
      pod,
      addedMs: known?.addedMs ?? this.#clock.now(),
      order: this.#order++,
      attempts: known?.attempts ?? 0,
    };
    if (pod.spec.schedulingGates?.length) this.#park(queued, undefined);
    else this.#activate(queued);
  }

  /** A new version of a pod that is waiting: keeps its place unless its spec or labels changed. */
  update(before: Pod, pod: Pod): void {
    const key = objectKey(pod);
    const known = this.#find(key);
    const changed = before.spec !== pod.spec && JSON.stringify(before.spec) !== JSON.stringify(pod.spec);
    const relabelled = JSON.stringify(before.metadata.labels) !== JSON.stringify(pod.metadata.labels);
    if (!known || changed || relabelled) this.add(pod);
    else this.#replace(key, { ...known, pod });
  }

  delete(key: string): void {
    this.#activeByKey.delete(key);
    this.#unschedulable.delete(key);
    this.#backoff.get(key)?.timer.dispose();
    this.#backoff.delete(key);
  }

  /** The next pod to try; undefined when none is ready. It is in no place until it is given back or bound. */
  pop(): QueuedPod | undefined {
    for (let next = this.#active.pop(); next; next = this.#active.pop()) {
      const current = this.#activeByKey.get(next.key);
      if (current?.order !== next.order) continue;
      this.#activeByKey.delete(next.key);
      return { ...current, attempts: current.attempts + 1 };
    }
    let early: BackingOff | undefined;
    for (const entry of this.#backoff.values())
      if (!entry.afterError && (!early || entry.dueMs < early.dueMs)) early = entry;
    if (!early) return undefined;
    this.delete(early.queued.key);
    return { ...early.queued, attempts: early.queued.attempts + 1 };
  }

  /** Gives back a pod that fits nowhere. */
  addUnschedulable(queued: QueuedPod, events: ReadonlySet<ClusterEvent>): void {
    if (!this.#find(queued.key)) this.#park(queued, events);
  }

  /** Gives back a pod whose try went wrong. */
  addAfterError(queued: QueuedPod): void {
    if (!this.#find(queued.key)) this.#backOff(queued, this.#clock.now(), true);
  }

  /** Something happened in the cluster: whom it may help is tried again. */
  moveFor(event: ClusterEvent): void {
    for (const entry of [...this.#unschedulable.values()]) if (entry.events?.has(event)) this.#revive(entry);
  }

  #find(key: string): QueuedPod | undefined {
    return this.#activeByKey.get(key) ?? this.#backoff.get(key)?.queued ?? this.#unschedulable.get(key)?.queued;
  }

  #replace(key: string, queued: QueuedPod): void {
    if (this.#activeByKey.has(key)) this.#activeByKey.set(key, queued);
    const backingOff = this.#backoff.get(key);
    if (backingOff) this.#backoff.set(key, { ...backingOff, queued });
    const waiting = this.#unschedulable.get(key);
    if (waiting) this.#unschedulable.set(key, { ...waiting, queued });
  }

  #park(queued: QueuedPod, events: ReadonlySet<ClusterEvent> | undefined): void {
    this.#unschedulable.set(queued.key, { queued, sinceMs: this.#clock.now(), events });
  }

  #revive({ queued, sinceMs }: Unschedulable): void {
    this.#unschedulable.delete(queued.key);
    this.#backOff(queued, sinceMs, false);
    this.#onActive();
  }

  #backOff(queued: QueuedPod, sinceMs: number, afterError: boolean): void {
    const dueMs = sinceMs + Math.min(maxBackoffMs, initialBackoffMs * 2 ** Math.max(0, queued.attempts - 1));
    if (dueMs <= this.#clock.now()) {
      this.#activate(queued);
      return;
    }
    const timer = this.#clock.setTimer(dueMs - this.#clock.now(), () => {
      const current = this.#backoff.get(queued.key)?.queued ?? queued;
      this.#backoff.delete(queued.key);
      this.#activate(current);
    });
    this.#backoff.set(queued.key, { queued, dueMs, afterError, timer });
  }

  #activate(queued: QueuedPod): void {
    this.#activeByKey.set(queued.key, queued);
    this.#active.push(queued);
    this.#onActive();
  }
}

/** Higher priority first, then whoever came first (`plugins/queuesort`, release 1.36). */
function comesFirst(a: QueuedPod, b: QueuedPod): boolean {
  const priority = priorityOf(a.pod) - priorityOf(b.pod);
  if (priority !== 0) return priority > 0;
  return a.addedMs === b.addedMs ? a.order < b.order : a.addedMs < b.addedMs;
}
