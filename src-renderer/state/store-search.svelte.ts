import type { SearchItem, SearchPlace } from '#contract/store';
import type { Connection } from '../ipc/connection.ts';
import { gather } from './gather.ts';

export type SearchMatch = Extract<SearchItem, { kind: 'match' }>;
export type SearchProgress = Extract<SearchItem, { kind: 'progress' }>;

const maxMatches = 2000;

/** One search through a lab's store, which can be given up and begun anew. Matches come while it goes on. */
export class StoreSearch {
  matches = $state.raw<readonly SearchMatch[]>([]);
  progress = $state.raw<SearchProgress | undefined>();
  running = $state(false);
  error = $state<string | undefined>();
  readonly #connection: Connection;
  readonly #lab: string;
  #cancel: (() => void) | undefined;
  #run = 0;

  constructor(connection: Connection, lab: string) {
    this.#connection = connection;
    this.#lab = lab;
  }

  /** An empty text finds nothing. Without a revision it looks at what is there now. */
  start(text: string, place: SearchPlace, prefix = '', revision?: number): void {
    this.stop();
    this.matches = [];
    this.progress = undefined;
    this.error = undefined;
    if (text === '') return;
    const run = this.#run;
    this.running = true;
    const where = { ...(prefix === '' ? {} : { prefix }), ...(revision === undefined ? {} : { revision }) };
    const request = { lab: this.#lab, text, place, limit: maxMatches, ...where };
    this.#cancel = this.#connection.watch('store.search', request, {
      onEvents: (events) =>
        gather(() => {
          if (run === this.#run) this.#take(events.flatMap((event) => (event.type === 'ADDED' ? [event.object] : [])));
        }),
      onEnd: (error) =>
        gather(() => {
          if (run !== this.#run) return;
          this.running = false;
          this.error = error?.message;
        }),
    });
  }

  /** Gives it up; what was found stays. */
  stop(): void {
    this.#run++;
    this.#cancel?.();
    this.#cancel = undefined;
    this.running = false;
  }

  #take(items: readonly SearchItem[]): void {
    const found = items.filter((item) => item.kind === 'match');
    if (found.length > 0) this.matches = [...this.matches, ...found];
    this.progress = items.filter((item) => item.kind === 'progress').at(-1) ?? this.progress;
  }
}
