import { AsyncQueue } from '#base/async-queue';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { ContainerEvent, ContainerEventType, ContainerState, PodSandboxMetadata } from '../cri.ts';

/** One container or sandbox as a relist sees it. */
export interface Listed {
  readonly id: string;
  readonly state: ContainerState;
  readonly sandbox: PodSandboxMetadata;
}

export interface EventSourceOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly list: (context: Context) => Promise<readonly Listed[]>;
  /** Yields whenever the runtime says that something happened; throws or ends when it cannot say so. */
  readonly hints: (context: Context) => AsyncIterable<unknown>;
}

/** The generic PLEG's period (`pkg/kubelet/pleg`, release 1.36). */
const relistMs = 1000;
/** How often a runtime that has ended its stream of events is asked for it again. */
const hintsRetryMs = 10_000;

/**
 * What happened to containers, found by comparing lists. A runtime's own events, where it has them, and this client's own
 * calls only make the next list come at once: so nothing is missed when the runtime restarts, and there is one way for all.
 */
export class EventSource {
  readonly #options: EventSourceOptions;
  readonly #relisters = new Set<() => void>();
  /** The first lists of watches that have just begun. */
  readonly #firstLists = new Set<Promise<void>>();

  constructor(options: EventSourceOptions) {
    this.#options = options;
  }

  /** Something has probably changed. */
  nudge(): void {
    for (const relist of this.#relisters) relist();
  }

  /** Resolves when every watch that was asked for has begun: what is changed after that is told. */
  async begun(): Promise<void> {
    await Promise.all(this.#firstLists);
  }

  /** Every change from now on. Ends with `context`. */
  watch(context: Context): AsyncIterable<ContainerEvent> {
    const { context: life, cancel } = context.withCancel();
    const events = new AsyncQueue<ContainerEvent>(cancel);
    life.onEnd(() => events.end());
    const first: Promise<void> = new Promise<void>((resolve) => {
      void this.#relist(life, events, resolve);
    }).finally(() => this.#firstLists.delete(first));
    this.#firstLists.add(first);
    void this.#followHints(life);
    return events;
  }

  /** Never rejects: a runtime that does not answer is asked again. */
  async #relist(context: Context, events: AsyncQueue<ContainerEvent>, listed: () => void): Promise<void> {
    const { clock, logger, list } = this.#options;
    const alarm = new Alarm(clock);
    const ring = (): void => alarm.ring();
    this.#relisters.add(ring);
    let known: ReadonlyMap<string, Listed> | undefined;
    let failing = false;
    while (!context.ended) {
      try {
        const found = new Map((await list(context)).map((item) => [item.id, item]));
        const nowMs = clock.now();
        if (known) for (const event of changes(known, found, nowMs)) events.push(event);
        known = found;
        failing = false;
      } catch (error) {
        if (context.ended) break;
        if (!failing) logger.warn('the container runtime cannot be listed', { error: messageOf(error) });
        failing = true;
      }
      listed();
      await alarm.wait(context, relistMs);
    }
    listed();
    this.#relisters.delete(ring);
  }

  async #followHints(context: Context): Promise<void> {
    const { clock, logger, hints } = this.#options;
    while (!context.ended) {
      try {
        for await (const hint of hints(context)) {
          void hint;
          this.nudge();
        }
      } catch (error) {
        if (!context.ended) logger.debug('the container runtime tells no events', { error: messageOf(error) });
      }
      await new Alarm(clock).wait(context, hintsRetryMs);
    }
  }
}

/** Waits for a time, or until rung. A ring while nobody waits counts for the next. */
class Alarm {
  readonly #clock: Clock;
  #rung = false;
  #wake: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  async wait(context: Context, ms: number): Promise<void> {
    if (!this.#rung && !context.ended) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const [timer, ending] = [this.#clock.setTimer(ms, () => this.#wake?.()), context.onEnd(() => this.#wake?.())];
      await woken;
      timer.dispose();
      ending.dispose();
    }
    this.#rung = false;
  }
}

/** The steps that led from one list to the next, in the order they must have happened. */
export function changes(
  before: ReadonlyMap<string, Listed>,
  after: ReadonlyMap<string, Listed>,
  nowMs: number,
): readonly ContainerEvent[] {
  const events: ContainerEvent[] = [];
  const tell = ({ id, sandbox }: Listed, type: ContainerEventType): void => {
    events.push({ containerId: id, type, createdAtMs: nowMs, podSandboxMetadata: sandbox });
  };
  for (const item of before.values()) {
    if (after.has(item.id)) continue;
    if (item.state === 'CONTAINER_RUNNING') tell(item, 'CONTAINER_STOPPED_EVENT');
    tell(item, 'CONTAINER_DELETED_EVENT');
  }
  for (const item of after.values()) {
    const old = before.get(item.id);
    if (old?.state === item.state) continue;
    if (!old) tell(item, 'CONTAINER_CREATED_EVENT');
    if (item.state === 'CONTAINER_RUNNING') tell(item, 'CONTAINER_STARTED_EVENT');
    if (item.state === 'CONTAINER_EXITED') tell(item, 'CONTAINER_STOPPED_EVENT');
  }
  return events;
}
