import { evaluate, type ArithmeticScope } from './arithmetic.ts';
import type { FileTree } from '../file-tree.ts';
import { globPaths, matchesPattern, patternSource } from './patterns.ts';
import { ShellError, type ShellState } from './shell-state.ts';
import {
  loadParser,
  type ArithmeticExpression,
  type ParameterOperation,
  type PartOf,
  type ScriptNode,
  type WordNode,
  type WordPart,
} from './syntax.ts';

/** A stretch of an expanded word. `fieldBreak` ends a field by force, between the items of `"$@"`. */
interface Piece {
  readonly text: string;
  readonly quoted: boolean;
  readonly split: boolean;
  readonly fieldBreak?: boolean;
}

/** What expansion needs of the shell around it. */
export interface ExpansionHost {
  readonly state: ShellState;
  readonly files: FileTree;
  /** The output of a command substitution, as written. */
  capture(script: ScriptNode): Promise<string>;
  pid(): number;
}

const specials = /^[#?$!\-0-9@*_]$|^[1-9]\d+$/;

/** The word expansions of POSIX.1-2024 chapter 2.6, with bash's additions that scripts use often. */
export class Expander {
  readonly #host: ExpansionHost;

  constructor(host: ExpansionHost) {
    this.#host = host;
  }

  get #state(): ShellState {
    return this.#host.state;
  }

  /** Words as a command gets them: expanded, split, globbed. */
  async words(words: readonly WordNode[]): Promise<string[]> {
    const out: string[] = [];
    for (const word of words) for (const variant of braceVariants(word)) out.push(...(await this.#fields(variant)));
    return out;
  }

  /** A word as one string: assignments, redirections, `case`. */
  async text(word: WordNode): Promise<string> {
    return (await this.#pieces(word.parts, false)).map((piece) => (piece.fieldBreak ? ' ' : piece.text)).join('');
  }

  /** A word as a pattern: quoted characters are escaped. */
  async pattern(word: WordNode): Promise<string> {
    const pieces = await this.#pieces(word.parts, false);
    return pieces.map((piece) => (piece.quoted ? escapePattern(piece.text) : piece.text)).join('');
  }

  async arithmetic(expression: ArithmeticExpression): Promise<bigint> {
    return evaluate(expression.expression, this.#arithmeticScope());
  }

  /** The value of a parameter, empty when unset. */
  parameter(name: string): string {
    return this.#lookup(name) ?? '';
  }

  async #fields(word: WordNode): Promise<string[]> {
    const pieces = await this.#pieces(word.parts, false);
    const fields: { text: string; pattern: string; glob: boolean }[] = [];
    let open: { text: string; pattern: string; glob: boolean } | undefined;
    const close = (): void => {
      if (open) fields.push(open);
      open = undefined;
    };
    const add = (text: string, quoted: boolean): void => {
      open ??= { text: '', pattern: '', glob: false };
      open.text += text;
      open.pattern += quoted ? escapePattern(text) : text;
      open.glob ||= !quoted && /[*?[]/.test(text);
    };
    for (const piece of pieces) {
      if (piece.fieldBreak) close();
      else if (!piece.split) add(piece.text, piece.quoted);
      else this.#addSplit(piece.text, add, close);
    }
    close();
    return fields.flatMap((field) => this.#glob(field));
  }

  /** Field splitting by IFS: white space collapses, other separators count each. */
  #addSplit(text: string, add: (text: string, quoted: boolean) => void, close: () => void): void {
    const ifs = this.#state.variables.get('IFS') ?? ' \t\n';
    if (ifs === '') return text === '' ? undefined : add(text, false);
    let field = '';
    let pending = false;
    for (const character of text) {
      if (!ifs.includes(character)) {
        if (pending) close();
        pending = false;
        field += character;
        continue;
      }
      if (field !== '') add(field, false);
      else if (!/\s/.test(character)) add('', false);
      field = '';
      pending = true;
      if (!/\s/.test(character)) {
        close();
        pending = false;
      }
    }
    if (field !== '') add(field, false);
    else if (pending) close();
  }

  #glob(field: { text: string; pattern: string; glob: boolean }): readonly string[] {
    if (!field.glob || this.#state.options.has('f')) return [field.text];
    const paths = globPaths(this.#host.files, this.#state.cwd, field.pattern);
    return paths.length > 0 ? paths : [field.text];
  }

  async #pieces(parts: readonly WordPart[], quoted: boolean): Promise<Piece[]> {
    const out: Piece[] = [];
    for (const part of parts) out.push(...(await this.#piece(part, quoted)));
    return out;
  }

  async #piece(part: WordPart, quoted: boolean): Promise<readonly Piece[]> {
    const fixed = (text: string): readonly Piece[] => [{ text, quoted: true, split: false }];
    switch (part.type) {
      case 'Literal':
        return [{ text: part.value, quoted, split: false }];
      case 'Glob':
        return [{ text: part.pattern, quoted, split: false }];
      case 'SingleQuoted':
      case 'Escaped':
        return fixed(part.value);
      case 'DoubleQuoted': {
        const inner = await this.#pieces(part.parts, true);
        return inner.length === 0 && part.parts.length === 0 ? fixed('') : inner;
      }
      case 'ParameterExpansion':
        return this.#parameterPieces(part, quoted);
      case 'CommandSubstitution': {
        const text = (await this.#host.capture(part.body)).replace(/\n+$/, '');
        return [{ text, quoted, split: !quoted }];
      }
      case 'ArithmeticExpansion':
        return [{ text: String(await this.arithmetic(part.expression)), quoted, split: !quoted }];
      case 'TildeExpansion':
        return fixed(part.user === null ? (this.#state.variables.get('HOME') ?? '/') : `/home/${part.user}`);
      default:
        throw new ShellError(`${part.type}: not supported by the simulated shell`);
    }
  }

  async #parameterPieces(part: PartOf<'ParameterExpansion'>, quoted: boolean): Promise<readonly Piece[]> {
    const { parameter, operation } = part;
    const list = this.#list(parameter);
    if (list && !operation) {
      if (quoted && (parameter === '*' || parameter.endsWith('[*]'))) {
        const separator = (this.#state.variables.get('IFS') ?? ' ').charAt(0);
        return [{ text: list.join(separator), quoted, split: false }];
      }
      return list.flatMap((text, index) => [
        ...(index > 0 ? [{ text: '', quoted, split: false, fieldBreak: true }] : []),
        { text, quoted, split: !quoted },
      ]);
    }
    const text = await this.#parameterText(parameter, operation, quoted);
    return typeof text === 'string' ? [{ text, quoted, split: !quoted }] : text;
  }

  /** The items behind `@`, `*`, `name[@]` and `name[*]`. */
  #list(parameter: string): readonly string[] | undefined {
    if (parameter === '@' || parameter === '*') return this.#state.positional;
    const match = /^(\w+)\[[@*]\]$/.exec(parameter);
    if (!match) return undefined;
    return (
      this.#state.arrays.get(match[1] ?? '') ?? [this.#lookup(match[1] ?? '')].filter((item) => item !== undefined)
    );
  }

  async #parameterText(
    name: string,
    operation: ParameterOperation | null,
    quoted: boolean,
  ): Promise<string | readonly Piece[]> {
    const value = this.#list(name)?.join(' ') ?? this.#lookup(name);
    const set = value !== undefined;
    if (!operation) {
      if (!set && this.#state.options.has('u')) throw new ShellError(`${name}: parameter not set`);
      return value ?? '';
    }
    const given = (checkEmpty: boolean): boolean => set && !(checkEmpty && value === '');
    switch (operation.type) {
      case 'DefaultValue':
        return given(operation.checkEmpty) ? (value ?? '') : this.#pieces(operation.word.parts, quoted);
      case 'UseAlternative':
        return given(operation.checkEmpty) ? this.#pieces(operation.word.parts, quoted) : '';
      case 'AssignDefault': {
        if (given(operation.checkEmpty)) return value ?? '';
        const text = await this.text(operation.word);
        this.#state.set(name, text);
        return text;
      }
      case 'ErrorIfUnset': {
        if (given(operation.checkEmpty)) return value ?? '';
        const text = operation.word ? await this.text(operation.word) : '';
        throw new ShellError(`${name}: ${text || 'parameter not set'}`);
      }
      case 'Length':
        return String(this.#list(name)?.length ?? [...(value ?? '')].length);
      case 'Indirection':
        return this.#lookup(value ?? '') ?? '';
      default:
        return this.#transformed(value ?? '', operation);
    }
  }

  async #transformed(value: string, operation: ParameterOperation): Promise<string> {
    switch (operation.type) {
      case 'PatternRemoval':
        return removePattern(value, await this.pattern(operation.pattern), operation.side, operation.greedy);
      case 'PatternReplacement': {
        const source = patternSource(await this.pattern(operation.pattern));
        const replacement = operation.replacement ? await this.text(operation.replacement) : '';
        const anchored =
          operation.anchor === 'start' ? `^${source}` : operation.anchor === 'end' ? `${source}$` : source;
        if (source === '') return value;
        return value.replace(new RegExp(anchored, operation.all ? 'gu' : 'u'), () => replacement);
      }
      case 'Substring': {
        const offset = Number(await this.arithmetic(operation.offset));
        const length = operation.length ? Number(await this.arithmetic(operation.length)) : undefined;
        const start = offset < 0 ? Math.max(0, value.length + offset) : offset;
        return length === undefined ? value.slice(start) : value.slice(start, length < 0 ? length : start + length);
      }
      case 'CaseModification': {
        const turn = (text: string): string =>
          operation.direction === 'upper' ? text.toUpperCase() : text.toLowerCase();
        return operation.all ? turn(value) : turn(value.charAt(0)) + value.slice(1);
      }
      default:
        throw new ShellError('bad substitution');
    }
  }

  #lookup(name: string): string | undefined {
    const state = this.#state;
    const element = /^(\w+)\[(\d+)\]$/.exec(name);
    if (element) return state.arrays.get(element[1] ?? '')?.[Number(element[2])];
    if (!specials.test(name)) return state.variables.get(name) ?? state.arrays.get(name)?.[0];
    switch (name) {
      case '#':
        return String(state.positional.length);
      case '?':
        return String(state.lastExit);
      case '$':
        return String(this.#host.pid());
      case '!':
        return state.lastBackground === 0 ? '' : String(state.lastBackground);
      case '-':
        return [...state.options].join('');
      case '0':
        return state.name;
      case '@':
      case '*':
        return state.positional.join(' ');
      case '_':
        return state.variables.get('_') ?? '';
      default:
        return state.positional[Number(name) - 1];
    }
  }

  #arithmeticScope(): ArithmeticScope {
    return {
      state: this.#state,
      parameter: (name) => this.parameter(name),
      substitute: async (command) => this.#host.capture((await loadParser())(command)),
      nested: async (text) => {
        const script = (await loadParser())(`: $((${text}))`);
        const command = script.statements[0]?.pipelines[0]?.commands[0];
        const part = command?.type === 'SimpleCommand' ? command.args[0]?.parts[0] : undefined;
        return part?.type === 'ArithmeticExpansion' ? this.arithmetic(part.expression) : 0n;
      },
    };
  }
}

function escapePattern(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}

function removePattern(value: string, pattern: string, side: 'prefix' | 'suffix', greedy: boolean): string {
  const cuts = Array.from({ length: value.length + 1 }, (_, index) => index);
  if ((side === 'prefix') === greedy) cuts.reverse();
  for (const cut of cuts) {
    const part = side === 'prefix' ? value.slice(0, cut) : value.slice(cut);
    if (matchesPattern(pattern, part)) return side === 'prefix' ? value.slice(cut) : value.slice(0, cut);
  }
  return value;
}

/** `a{b,c}d` as `abd` and `acd`; a word without braces as itself. */
function braceVariants(word: WordNode): readonly WordNode[] {
  const at = word.parts.findIndex((part) => part.type === 'BraceExpansion');
  const brace = word.parts[at];
  if (brace?.type !== 'BraceExpansion') return [word];
  const [before, after] = [word.parts.slice(0, at), word.parts.slice(at + 1)];
  const middles = brace.items.flatMap((item): WordPart[][] =>
    item.type === 'Word' ? [item.word.parts] : rangeOf(item),
  );
  return middles.flatMap((middle) => braceVariants({ type: 'Word', parts: [...before, ...middle, ...after] }));
}

function rangeOf(range: {
  readonly start: string | number;
  readonly end: string | number;
  readonly step?: number;
}): WordPart[][] {
  const letters = typeof range.start === 'string';
  const code = (value: string | number): number => (typeof value === 'string' ? value.charCodeAt(0) : value);
  const [start, end] = [code(range.start), code(range.end)];
  const step = Math.max(1, Math.abs(range.step ?? 1)) * (end < start ? -1 : 1);
  const out: WordPart[][] = [];
  for (let value = start; step > 0 ? value <= end : value >= end; value += step) {
    out.push([{ type: 'Literal', value: letters ? String.fromCharCode(value) : String(value) }]);
    if (out.length > 100_000) throw new ShellError('brace expansion: too many results');
  }
  return out;
}
