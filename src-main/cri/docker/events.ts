import type { Readable } from 'node:stream';
import { AsyncQueue } from '#base/async-queue';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { ContainerEvent, ContainerState } from '../cri.ts';
import { changes, type Listed } from '../grpc/events.ts';
import { recordOf } from './labels.ts';

export interface EventsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly list: (context: Context) => Promise<readonly Listed[]>;
  /** The engine's own events of this scope's containers, a JSON document a line. */
  readonly open: (context: Context) => Promise<Readable>;
}

/** How long an engine that does not answer is left alone. */
const retryMs = 1000;

const states: Readonly<Record<string, ContainerState | 'gone'>> = {
  create: 'CONTAINER_CREATED',
  start: 'CONTAINER_RUNNING',
  die: 'CONTAINER_EXITED',
  destroy: 'gone',
};

/**
 * What happened to containers: the engine's events, and after each break the difference between two lists. An event that a
 * list has told already tells nothing new, so each change is told once.
 */
export class DockerEvents {
  readonly #options: EventsOptions;
  readonly #watches = new Set<Watch>();
  /** The first lists of watches that have just begun. */
  readonly #first = new Set<Promise<void>>();

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  /** Resolves when every watch that was asked for has begun: what is changed after that is told. */
  async begun(): Promise<void> {
    await Promise.all(this.#first);
  }

  /** The engine tells nothing of a container that could not be started. */
  failed(id: string): void {
    for (const watch of this.#watches) watch.enter(id, 'CONTAINER_EXITED');
  }

  /** Every change from now on. Ends with `context`. */
  watch(context: Context): AsyncIterable<ContainerEvent> {
    const { context: life, cancel } = context.withCancel();
    const events = new AsyncQueue<ContainerEvent>(cancel);
    const watch = new Watch(this.#options, events);
    this.#watches.add(watch);
    life.onEnd(() => {
      this.#watches.delete(watch);
      events.end();
    });
    const first: Promise<void> = new Promise<void>((resolve) => {
      void watch.run(life, resolve);
    }).finally(() => this.#first.delete(first));
    this.#first.add(first);
    return events;
  }
}

class Watch {
  readonly #options: EventsOptions;
  readonly #events: AsyncQueue<ContainerEvent>;
  #known: Map<string, Listed> | undefined;

  constructor(options: EventsOptions, events: AsyncQueue<ContainerEvent>) {
    this.#options = options;
    this.#events = events;
  }

  /** Never rejects: an engine that does not answer is asked again. */
  async run(context: Context, listed: () => void): Promise<void> {
    const { clock, logger } = this.#options;
    let failing = false;
    while (!context.ended) {
      try {
        await this.#follow(context, () => {
          failing = false;
          listed();
        });
      } catch (error) {
        if (context.ended) break;
        if (!failing) logger.warn('the Docker Engine tells no events', { error: messageOf(error) });
        failing = true;
      }
      listed();
      await clock.sleep(context, retryMs).catch(() => undefined);
    }
    listed();
  }

  /** First the events are asked for, then the list: what happens between is in both. */
  async #follow(context: Context, listed: () => void): Promise<void> {
    const body = await this.#options.open(context);
    const end = context.onEnd(() => body.destroy());
    try {
      this.#relist(await this.#options.list(context));
      listed();
      let rest = '';
      for await (const chunk of body) {
        const lines = (rest + Buffer.from(chunk as Uint8Array).toString('utf8')).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line.trim() !== '') this.#take(line);
      }
    } finally {
      end.dispose();
      body.destroy();
    }
  }

  #relist(items: readonly Listed[]): void {
    const found = new Map(items.map((item) => [item.id, item]));
    const nowMs = this.#options.clock.now();
    if (this.#known) for (const event of changes(this.#known, found, nowMs)) this.#events.push(event);
    this.#known = found;
  }

  #take(line: string): void {
    const { Action, Actor } = JSON.parse(line) as {
      readonly Action?: string;
      readonly Actor?: { readonly ID?: string; readonly Attributes?: Readonly<Record<string, string>> };
    };
    const [id, state] = [Actor?.ID, states[Action ?? '']];
    const record = recordOf(Actor?.Attributes);
    if (id !== undefined && state !== undefined && record) this.enter(id, state, record.pod);
  }

  /** Tells how `id` came to be in `state`, if that is news. */
  enter(id: string, state: ContainerState | 'gone', pod?: Listed['sandbox']): void {
    const old = this.#known?.get(id);
    const sandbox = pod ?? old?.sandbox;
    if (!this.#known || !sandbox || isNoNews(old?.state, state)) return;
    const before = new Map(old ? [[id, old]] : []);
    const after = new Map(state === 'gone' ? [] : [[id, { id, state, sandbox }]]);
    for (const event of changes(before, after, this.#options.clock.now())) this.#events.push(event);
    if (state === 'gone') this.#known.delete(id);
    else this.#known.set(id, { id, state, sandbox });
  }
}

/** States only go forward: an event of a state that a later list has left behind is old. */
function isNoNews(old: ContainerState | undefined, state: ContainerState | 'gone'): boolean {
  if (old === undefined) return state !== 'CONTAINER_CREATED';
  if (old === 'CONTAINER_EXITED') return state !== 'gone';
  return old === state || state === 'CONTAINER_CREATED';
}
