import type { PodLogsRequest } from '#contract/streams';
import type { StreamEvent } from '#contract/watches';
import type { LogChunk } from '#contract/streams';
import type { Connection } from '../ipc/connection.ts';
import { gather } from './gather.ts';

/** Characters kept; a person who needs more has kubectl. */
const keptCharacters = 400_000;
const retryMs = 2000;

/**
 * The log of one container while it is looked at. A stream that ends (the container did, or has not begun) is opened again, and
 * replaces what is shown with its first words.
 */
export class LogStream {
  text = $state('');
  /** Whether anything was heard at all. */
  opened = $state(false);
  /** Why it does not follow at the moment. */
  problem = $state<string | undefined>();
  readonly #connection: Connection;
  readonly #request: PodLogsRequest;
  #cancel: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #replace = false;
  #stopped = false;

  constructor(connection: Connection, request: PodLogsRequest) {
    this.#connection = connection;
    this.#request = request;
  }

  start(): void {
    this.#stopped = false;
    this.#cancel = this.#connection.watch('pod.logs', this.#request, {
      onEvents: (events) => gather(() => this.#take(events)),
      onEnd: (error) => {
        this.#cancel = undefined;
        this.problem = error?.message;
        if (!this.#request.previous) this.#timer = setTimeout(() => this.start(), retryMs);
      },
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #take(events: readonly StreamEvent<LogChunk>[]): void {
    if (this.#stopped) return;
    for (const event of events) {
      if (event.type === 'BOOKMARK') [this.opened, this.#replace, this.problem] = [true, true, undefined];
      else if (event.type === 'ADDED') this.#append(event.object.text);
    }
  }

  #append(text: string): void {
    const whole = this.#replace ? text : this.text + text;
    this.#replace = false;
    this.text =
      whole.length <= keptCharacters ? whole : whole.slice(whole.indexOf('\n', whole.length - keptCharacters) + 1);
  }
}
