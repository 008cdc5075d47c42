import type { PodExecItem } from '#contract/streams';
import type { StreamEvent } from '#contract/watches';
import { SvelteMap } from 'svelte/reactivity';
import type { Connection } from '../ipc/connection.ts';

/** Output kept for a screen that is opened later. */
const keptCharacters = 200_000;

export interface TerminalTarget {
  readonly lab: string;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** One command in a container with a terminal. It runs whether a screen shows it or not, until it ends or is closed. */
export class TerminalSession {
  readonly id: string;
  readonly target: TerminalTarget;
  state = $state<'new' | 'connecting' | 'open' | 'ended'>('new');
  /** How it ended. */
  outcome = $state('');
  /** All output so far, as far as it is kept. */
  history = '';
  readonly #connection: Connection;
  readonly #listeners = new Set<(text: string) => void>();
  #session: string | undefined;
  #cancel: (() => void) | undefined;
  #size = { columns: 80, rows: 24 };
  /** Typed before the terminal was open, or while the line was busy. */
  #typed = '';
  #sending = false;
  readonly #refuses: (what: string) => boolean;

  constructor(connection: Connection, id: string, target: TerminalTarget, refuses: (what: string) => boolean) {
    this.#connection = connection;
    this.#refuses = refuses;
    this.id = id;
    this.target = target;
  }

  /** Hears what comes from now on; {@link history} is what came before. Returns what ends that. */
  listen(listener: (text: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The screen's size. The first one starts the command. */
  resize(columns: number, rows: number): void {
    this.#size = { columns, rows };
    if (this.state === 'new') this.start();
    else if (this.#session !== undefined)
      this.#connection.call('pod.exec.resize', { session: this.#session, columns, rows }).catch(() => this.#lose());
  }

  /** Starts the command, also again when it has ended. */
  start(): void {
    if (this.#refuses(`kubectl exec ${this.target.pod}`)) return;
    this.state = 'connecting';
    this.outcome = '';
    const request = { ...this.target, command: ['sh'], tty: true, ...this.#size };
    this.#cancel = this.#connection.watch('pod.exec', request, {
      onEvents: (events) => this.#take(events),
      onEnd: (error) => this.#end(error?.message ?? 'the connection ended'),
    });
  }

  input(text: string): void {
    if (this.#refuses(`kubectl exec ${this.target.pod}`)) return;
    this.#typed += text;
    void this.#send();
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#session = undefined;
    this.state = 'ended';
  }

  #take(events: readonly StreamEvent<PodExecItem>[]): void {
    for (const event of events) {
      if (event.type !== 'ADDED') continue;
      const item = event.object;
      if (item.kind === 'output') this.#hear(item.text);
      else if (item.kind === 'exit') this.#end(`ended with exit code ${item.exitCode}`);
      else {
        this.#session = item.session;
        this.state = 'open';
        void this.#send();
      }
    }
  }

  /** One call at a time, so that keys arrive in the order they were pressed. */
  async #send(): Promise<void> {
    const session = this.#session;
    if (this.#sending || session === undefined || this.#typed === '') return;
    this.#sending = true;
    const text = this.#typed;
    this.#typed = '';
    try {
      await this.#connection.call('pod.exec.input', { session, text });
    } catch {
      this.#lose();
    } finally {
      this.#sending = false;
    }
    await this.#send();
  }

  #hear(text: string): void {
    this.history = (this.history + text).slice(-keptCharacters);
    for (const listener of this.#listeners) listener(text);
  }

  /** The host knows no such terminal any more; the stream says why, or the connection is gone. */
  #lose(): void {
    if (this.state === 'open') this.#end('the terminal is gone');
  }

  #end(outcome: string): void {
    if (this.state === 'ended') return;
    this.#session = undefined;
    this.#typed = '';
    this.#cancel = undefined;
    this.state = 'ended';
    this.outcome = outcome;
    this.#hear(`\r\n\u001b[2m[${outcome}]\u001b[0m\r\n`);
  }
}

/** The terminals that are open, and the panel that shows them. */
export class Terminals {
  readonly sessions = new SvelteMap<string, TerminalSession>();
  panelOpen = $state(false);
  active = $state<string | undefined>();
  readonly #connection: Connection;
  readonly #refuses: (what: string) => boolean;
  #nextId = 1;

  /** `refuses`: whether nothing may be changed at the moment; it tells the person then. */
  constructor(connection: Connection, refuses: (what: string) => boolean) {
    this.#connection = connection;
    this.#refuses = refuses;
  }

  readonly list = $derived.by(() => [...this.sessions.values()]);
  readonly current = $derived.by(() => this.sessions.get(this.active ?? '') ?? this.list.at(-1));

  /** A new terminal. Its command starts when a screen shows it. */
  add(target: TerminalTarget): TerminalSession {
    const session = new TerminalSession(this.#connection, `terminal-${this.#nextId++}`, target, this.#refuses);
    this.sessions.set(session.id, session);
    this.active = session.id;
    return session;
  }

  /** Opens the panel with this one. */
  show(id: string): void {
    this.active = id;
    this.panelOpen = true;
  }

  close(id: string): void {
    this.sessions.get(id)?.close();
    this.sessions.delete(id);
    if (this.sessions.size === 0) this.panelOpen = false;
  }
}
