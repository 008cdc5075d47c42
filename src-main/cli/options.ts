import { parseArgs } from 'node:util';
import { messageOf } from '#base/errors';
import { parseQuantityNano } from '#base/quantity';

/** The line was not understood: printed with a hint at `--help`, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface OptionSpec {
  readonly name: string;
  /** Absent for a switch. */
  readonly value?: string;
  readonly help: string;
  readonly fallback?: string;
}

export interface CommandSpec {
  readonly name: string;
  /** Names of positional arguments, all required. */
  readonly positionals: readonly string[];
  /** How further arguments are written, for a command that reads them itself: `[ID]`, `NODE...`. Absent: there are none. */
  readonly rest?: string;
  readonly summary: string;
  readonly options: readonly OptionSpec[];
  /** Lines between the usage and the flags. */
  readonly details?: readonly string[];
  readonly examples?: readonly string[];
}

/** What was on the line, checked against its {@link CommandSpec}. */
export class Arguments {
  readonly help: boolean;
  readonly positionals: readonly string[];
  readonly #values: Readonly<Record<string, string | boolean | undefined>>;

  constructor(
    help: boolean,
    positionals: readonly string[],
    values: Readonly<Record<string, string | boolean | undefined>>,
  ) {
    this.help = help;
    this.positionals = positionals;
    this.#values = values;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** Throws UsageError when the option is there and is no whole number in the range. */
  integer(name: string, least: number, most: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = /^\d+$/.test(value) ? Number(value) : NaN;
    if (!(number >= least && number <= most))
      throw new UsageError(`--${name} ${value}: expected a whole number from ${least} to ${most}`);
    return number;
  }

  /** A Kubernetes quantity in whole or broken units: `2`, `500m`, `2Gi`. Throws UsageError when it is none, or not above 0. */
  quantity(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const nano = parseQuantityNano(value);
    if (nano === undefined || nano <= 0n)
      throw new UsageError(`--${name} ${value}: expected a quantity such as 2 or 2Gi`);
    return Number(nano) / 1e9;
  }
}

/** Parses what follows the command. Throws UsageError for an unknown flag, a missing value, a missing or extra argument. */
export function parseCommandLine(spec: CommandSpec, args: readonly string[]): Arguments {
  const options: Record<string, { type: 'string' | 'boolean'; short?: string }> = {
    help: { type: 'boolean', short: 'h' },
  };
  for (const option of spec.options) options[option.name] = { type: option.value === undefined ? 'boolean' : 'string' };
  let parsed: { values: Record<string, string | boolean | undefined>; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true }) as typeof parsed;
  } catch (error) {
    throw new UsageError(firstSentence(messageOf(error)), { cause: error });
  }
  const { values, positionals } = parsed;
  const help = values['help'] === true;
  if (!help && positionals.length < spec.positionals.length) {
    throw new UsageError(`${spec.name} needs ${spec.positionals.slice(positionals.length).join(' ')}`);
  }
  if (spec.rest === undefined && positionals.length > spec.positionals.length)
    throw new UsageError(`unexpected argument '${positionals[spec.positionals.length] ?? ''}'`);
  return new Arguments(help, positionals, values);
}

/** Node explains at length how to pass arguments that begin with a dash; one line is enough. */
function firstSentence(message: string): string {
  return message.split(/\. (?=To )|\n/)[0] ?? message;
}

export function renderHelp(spec: CommandSpec): string {
  const usage = ['drydock', spec.name, ...spec.positionals, ...(spec.rest ? [spec.rest] : []), '[flags]'].join(' ');
  const rows = [...spec.options, { name: 'help', help: 'show this text' } satisfies OptionSpec].map(
    (option: OptionSpec) => ({
      left: `--${option.name}${option.value ? ` ${option.value}` : ''}`,
      right: option.help + (option.fallback ? ` (default: ${option.fallback})` : ''),
    }),
  );
  const width = Math.max(...rows.map((row) => row.left.length));
  const lines = [
    spec.summary,
    '',
    `Usage: ${usage}`,
    '',
    ...(spec.details ? [...spec.details.map((line) => `  ${line}`), ''] : []),
    'Flags:',
    ...rows.map((row) => `  ${row.left.padEnd(width)}  ${row.right}`),
  ];
  if (spec.examples) lines.push('', 'Examples:', ...spec.examples.map((example) => `  ${example}`));
  return lines.join('\n');
}
