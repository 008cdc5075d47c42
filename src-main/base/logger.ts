import type { Clock } from './clock.ts';
import { formatMicroTime } from './clock.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
/** Never put a secret here: fields are printed and kept. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose lines carry `component=name`. */
  named(name: string): Logger;
}

export interface LogEntry {
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly component: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** Hands each entry at or above `level` to `sink`. */
export class SinkLogger implements Logger {
  readonly #clock: Clock;
  readonly #sink: (entry: LogEntry) => void;
  readonly #level: LogLevel;
  readonly #component: string;

  constructor(clock: Clock, sink: (entry: LogEntry) => void, level: LogLevel = 'info', component = '') {
    this.#clock = clock;
    this.#sink = sink;
    this.#level = level;
    this.#component = component;
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#log('debug', message, fields);
  }
  info(message: string, fields: LogFields = {}): void {
    this.#log('info', message, fields);
  }
  warn(message: string, fields: LogFields = {}): void {
    this.#log('warn', message, fields);
  }
  error(message: string, fields: LogFields = {}): void {
    this.#log('error', message, fields);
  }
  named(name: string): Logger {
    return new SinkLogger(this.#clock, this.#sink, this.#level, this.#component ? `${this.#component}/${name}` : name);
  }

  #log(level: LogLevel, message: string, fields: LogFields): void {
    const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
    if (order.indexOf(level) < order.indexOf(this.#level)) return;
    this.#sink({ timeMs: this.#clock.now(), level, component: this.#component, message, fields });
  }
}

/** One line a log entry, in the `key=value` form that grep likes. */
export function formatLogEntry(entry: LogEntry): string {
  const fields = Object.entries(entry.fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? JSON.stringify(value) : String(value)}`)
    .join('');
  return `${formatMicroTime(entry.timeMs)} ${entry.level.toUpperCase().padEnd(5)} ${entry.component}: ${entry.message}${fields}`;
}

/** A logger that keeps nothing, for tests of other things. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  named: () => silentLogger,
};
