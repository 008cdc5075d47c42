import { readLine } from '../byte-pipe.ts';
import { FileError, resolvePath } from '../file-tree.ts';
import type { Process, Program } from '../process.ts';
import { runBorrowed } from './borrowed.ts';

interface GrepOptions {
  readonly flags: Set<string>;
  readonly patterns: string[];
  readonly files: string[];
  limit: number;
}

/** Undefined for options that only the borrowed grep knows: context lines, recursion. */
function parseOptions(argv: readonly string[]): GrepOptions | undefined {
  const options: GrepOptions = { flags: new Set(), patterns: [], files: [], limit: Infinity };
  const args = [...argv.slice(1)];
  for (let arg = args.shift(); arg !== undefined; arg = args.shift()) {
    if (arg === '--') {
      options.files.push(...args.splice(0));
    } else if (arg === '--line-buffered' || arg.startsWith('--color')) continue;
    else if (/^-[a-zA-Z]/.test(arg)) {
      if (!readFlags(arg, args, options)) return undefined;
    } else if (arg.startsWith('--')) return undefined;
    else options.files.push(arg);
  }
  if (options.patterns.length === 0) options.patterns.push(options.files.shift() ?? '');
  return options;
}

function readFlags(arg: string, args: string[], options: GrepOptions): boolean {
  for (let at = 1; at < arg.length; at++) {
    const letter = arg.charAt(at);
    if (letter === 'e' || letter === 'm') {
      const value = arg.slice(at + 1) || (args.shift() ?? '');
      if (letter === 'e') options.patterns.push(value);
      else options.limit = Number(value);
      return true;
    }
    if (!'ivEFqwxcnohHlLs'.includes(letter)) return false;
    options.flags.add(letter);
  }
  return true;
}

const classes: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z',
  digit: '0-9',
  alnum: 'A-Za-z0-9',
  upper: 'A-Z',
  lower: 'a-z',
  space: '\\s',
  blank: ' \\t',
  punct: '!-\\/:-@\\[-`{-~',
  xdigit: '0-9A-Fa-f',
};

/** A POSIX regular expression, basic or extended, as a JavaScript one. */
export function posixToSource(pattern: string, extended: boolean): string {
  let out = '';
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern.charAt(at);
    if (character === '[') {
      const end = pattern.indexOf(']', pattern.charAt(at + 1) === '^' ? at + 3 : at + 2);
      const close =
        pattern.startsWith('[:', at + 1) || pattern.startsWith('^[:', at + 1) ? pattern.indexOf(']]', at) + 1 : end;
      const body = pattern.slice(at + 1, close < at ? undefined : close);
      out += `[${body
        .replace(/\[:(\w+):\]/g, (_match, name: string) => classes[name] ?? '')
        .replace(/\\/g, '\\\\')
        .replace(/\\\\(s|t|\/|\[)/g, '\\$1')}]`;
      at = close < at ? pattern.length : close;
    } else if (character === '\\') {
      const next = pattern.charAt(++at);
      out += !extended && '(){}|+?'.includes(next) ? next : `\\${next}`;
    } else if (!extended && '(){}|+?'.includes(character)) out += `\\${character}`;
    else if (!extended && character === '*' && (out === '' || out === '^')) out += '\\*';
    else out += character;
  }
  return out;
}

function expressionOf(options: GrepOptions, name: string): RegExp {
  const { flags, patterns } = options;
  const sources = patterns
    .flatMap((pattern) => pattern.split('\n'))
    .map((pattern) => {
      if (flags.has('F') || name === 'fgrep') return pattern.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
      return posixToSource(pattern, flags.has('E') || name === 'egrep');
    });
  const joined = sources.map((source) => `(?:${source})`).join('|');
  const whole = flags.has('x') ? `^(?:${joined})$` : flags.has('w') ? `\\b(?:${joined})\\b` : joined;
  return new RegExp(whole, flags.has('i') ? 'gi' : 'g');
}

class Search {
  readonly #process: Process;
  readonly #options: GrepOptions;
  readonly #expression: RegExp;
  found = false;

  constructor(process: Process, options: GrepOptions, expression: RegExp) {
    this.#process = process;
    this.#options = options;
    this.#expression = expression;
  }

  /** Searches lines as they come; false ends the whole search early. */
  async lines(next: () => Promise<string | undefined>, label: string | undefined): Promise<boolean> {
    const { flags, limit } = this.#options;
    const prefix = label === undefined ? '' : `${label}:`;
    let matched = 0;
    let number = 0;
    for (let line = await next(); line !== undefined && matched < limit; line = await next()) {
      number++;
      const hits = line.match(this.#expression) ?? [];
      if (hits.length > 0 === flags.has('v')) continue;
      matched++;
      this.found = true;
      if (flags.has('q')) return false;
      if (flags.has('l')) {
        await this.#process.print(`${label ?? '(standard input)'}\n`);
        return true;
      }
      if (flags.has('c')) continue;
      const where = prefix + (flags.has('n') ? `${number}:` : '');
      const shown = flags.has('o') ? hits.filter((hit) => hit !== '') : [line];
      for (const text of shown) await this.#process.print(`${where}${text}\n`);
    }
    if (flags.has('c')) await this.#process.print(`${prefix}${matched}\n`);
    return true;
  }
}

/** grep, line by line as input comes. */
export const grep: Program = async (process) => {
  const name = (process.argv[0] ?? 'grep').split('/').at(-1) ?? 'grep';
  const options = parseOptions(process.argv);
  if (!options) return runBorrowed(name, process);
  let expression: RegExp;
  try {
    expression = expressionOf(options, name);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    await process.complain(`${name}: bad regex '${options.patterns[0] ?? ''}'\n`);
    return 2;
  }
  const search = new Search(process, options, expression);
  const { files, flags } = options;
  const labelled = (files.length > 1 && !flags.has('h')) || flags.has('H') || flags.has('l');
  let failed = false;
  for (const file of files.length === 0 ? ['-'] : files) {
    const next = file === '-' ? inputLines(process) : fileLines(process, file);
    if (!next) {
      failed = true;
      if (!flags.has('s')) await process.complain(`${name}: ${file}: No such file or directory\n`);
    } else if (!(await search.lines(next, labelled && file !== '-' ? file : undefined))) return 0;
  }
  return failed ? 2 : search.found ? 0 : 1;
};

function inputLines(process: Process): () => Promise<string | undefined> {
  return async () => (await readLine(process.io.stdin, process.context))?.text;
}

function fileLines(process: Process, name: string): (() => Promise<string | undefined>) | undefined {
  try {
    const text = process.host.files.readText(resolvePath(process.cwd, name));
    const lines = text.replace(/\n$/, '').split('\n');
    if (text === '') lines.length = 0;
    return async () => lines.shift();
  } catch (error) {
    if (error instanceof FileError) return undefined;
    throw error;
  }
}
