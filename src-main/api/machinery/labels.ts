import type { LabelSelector } from '#api/gen/types';
import { isLabelValue, isQualifiedName } from './names.ts';

export type Labels = Readonly<Record<string, string>>;

export type RequirementOperator = '=' | '==' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt';

export interface Requirement {
  readonly key: string;
  readonly operator: RequirementOperator;
  readonly values: readonly string[];
}

/** All requirements must hold. The empty selector matches everything. */
export interface Selector {
  readonly requirements: readonly Requirement[];
  /** True for a nil LabelSelector, which matches nothing. */
  readonly nothing?: boolean;
}

export const everything: Selector = Object.freeze({ requirements: [] });
export const nothing: Selector = Object.freeze({ requirements: [], nothing: true });

/** What is wrong with a selector's text. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
}

export function matchesSelector(selector: Selector, labels: Labels | undefined): boolean {
  if (selector.nothing) return false;
  return selector.requirements.every((requirement) => matches(requirement, labels ?? {}));
}

function matches({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case '=':
    case '==':
    case 'in':
      return value !== undefined && values.includes(value);
    case '!=':
    case 'notin':
      return value === undefined || !values.includes(value);
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case 'gt':
    case 'lt': {
      if (value === undefined || !/^-?\d+$/.test(value)) return false;
      const [actual, bound] = [Number(value), Number(values[0])];
      return operator === 'gt' ? actual > bound : actual < bound;
    }
  }
}

/** The selector of a LabelSelector object. Undefined matches nothing, an empty one everything. */
export function selectorOf(selector: LabelSelector | undefined): Selector {
  if (!selector) return nothing;
  const requirements: Requirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: 'in',
    values: [value],
  }));
  const operators: Readonly<Record<string, RequirementOperator>> = {
    In: 'in',
    NotIn: 'notin',
    Exists: 'exists',
    DoesNotExist: '!',
  };
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const known = operators[operator];
    if (!known) throw new SelectorError(`${JSON.stringify(operator)} is not a valid label selector operator`);
    requirements.push({ key, operator: known, values: values ?? [] });
  }
  return { requirements };
}

const token = /\s*(!=|==|=|!|\(|\)|,|<|>|[^\s!=(),<>]+)/y;

function tokenize(text: string): string[] {
  const tokens: string[] = [];
  token.lastIndex = 0;
  const trimmed = text.trimEnd();
  while (token.lastIndex < trimmed.length) {
    const match = token.exec(trimmed);
    if (!match) throw new SelectorError(`unable to parse requirement: ${JSON.stringify(text)}`);
    tokens.push(match[1] ?? '');
  }
  return tokens;
}

const symbols = new Set(['!=', '==', '=', '!', '(', ')', ',', '<', '>']);

class Parser {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  selector(): Selector {
    const requirements: Requirement[] = [];
    if (this.#tokens.length === 0) return everything;
    for (;;) {
      requirements.push(this.#checkedRequirement());
      const next = this.#tokens[this.#at++];
      if (next === undefined) return { requirements };
      if (next !== ',') throw new SelectorError(`found '${next}', expected: ',' or 'end of string'`);
      const after = this.#tokens[this.#at];
      if (after === undefined || (symbols.has(after) && after !== '!')) {
        throw new SelectorError(`found '${after ?? ''}', expected: identifier after ','`);
      }
    }
  }

  #checkedRequirement(): Requirement {
    const first = this.#tokens[this.#at] ?? '';
    if (symbols.has(first) && first !== '!') {
      throw new SelectorError(`found '${first}', expected: !, identifier, or 'end of string'`);
    }
    try {
      return this.#requirement();
    } catch (cause) {
      if (!(cause instanceof SelectorError)) throw cause;
      throw new SelectorError(`unable to parse requirement: ${cause.message}`, { cause });
    }
  }

  #requirement(): Requirement {
    let key = this.#tokens[this.#at++] ?? '';
    const absent = key === '!';
    if (absent) key = this.#tokens[this.#at++] ?? '';
    if (key === '' || symbols.has(key)) {
      throw new SelectorError(`found '${key}', expected: !, identifier, or 'end of string'`);
    }
    const problems = isQualifiedName(key);
    if (problems.length > 0) {
      throw new SelectorError(`<nil>: Invalid value: ${JSON.stringify(key)}: ${problems.join('; ')}`);
    }
    const operator = this.#tokens[this.#at];
    if (absent) return { key, operator: '!', values: [] };
    if (operator === undefined || operator === ',') return { key, operator: 'exists', values: [] };
    this.#at++;
    return this.#valued(key, operator);
  }

  #valued(key: string, operator: string): Requirement {
    switch (operator) {
      case '=':
      case '==':
      case '!=':
        return { key, operator, values: [this.#value(key)] };
      case '>':
      case '<':
        return { key, operator: operator === '>' ? 'gt' : 'lt', values: [this.#integer(key)] };
      case 'in':
      case 'notin':
        return { key, operator, values: this.#set(key) };
      default:
        throw new SelectorError(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`);
    }
  }

  #value(key: string): string {
    const next = this.#tokens[this.#at];
    if (next === undefined || next === ',') return '';
    this.#at++;
    if (symbols.has(next)) throw new SelectorError(`found '${next}', expected: identifier`);
    return checkedValue(key, next);
  }

  #integer(key: string): string {
    const value = this.#value(key);
    if (!/^-?\d+$/.test(value)) throw new SelectorError("for 'Gt', 'Lt' operators, the value must be an integer");
    return value;
  }

  #set(key: string): string[] {
    if (this.#tokens[this.#at] !== '(') {
      throw new SelectorError(`found '${this.#tokens[this.#at] ?? ''}', expected: '('`);
    }
    this.#at++;
    const values: string[] = [];
    let last = ',';
    for (;;) {
      const next = this.#tokens[this.#at++];
      if (next === undefined) throw new SelectorError("found '', expected: ',', or ')'");
      if (next === ')' || next === ',') {
        if (last === ',') values.push('');
        if (next === ')') return [...new Set(values)].sort();
      } else if (symbols.has(next)) throw new SelectorError(`found '${next}', expected: ',', or ')'`);
      else values.push(checkedValue(key, next));
      last = next;
    }
  }
}

function checkedValue(key: string, value: string): string {
  const problems = isLabelValue(value);
  if (problems.length === 0) return value;
  throw new SelectorError(`values[0][${key}]: Invalid value: ${JSON.stringify(value)}: ${problems.join('; ')}`);
}

/**
 * Reads `a=b,c!=d,e in (f,g),!h` (labels.Parse of k8s.io/apimachinery, release 1.36). Throws {@link SelectorError}.
 */
export function parseSelector(text: string): Selector {
  return new Parser(text).selector();
}

/** The text that {@link parseSelector} reads back, requirements in order of their keys. */
export function formatSelector(selector: Selector): string {
  if (selector.nothing) return '<none>';
  return [...selector.requirements]
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(formatRequirement)
    .join(',');
}

function formatRequirement({ key, operator, values }: Requirement): string {
  if (operator === 'exists') return key;
  if (operator === '!') return `!${key}`;
  if (operator === 'in' || operator === 'notin') return `${key} ${operator} (${[...values].sort().join(',')})`;
  const sign = operator === 'gt' ? '>' : operator === 'lt' ? '<' : operator;
  return `${key}${sign}${values[0] ?? ''}`;
}

/** Sorts and joins `labels` as kubectl prints them: `a=b,c=d`; `<none>` when there are none. */
export function formatLabels(labels: Labels | undefined): string {
  const entries = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? '<none>' : entries.map(([key, value]) => `${key}=${value}`).join(',');
}

/** What kubectl prints for a LabelSelector object: `<none>` for none or an empty one. */
export function formatLabelSelector(selector: LabelSelector | undefined): string {
  if (!selector) return '<none>';
  const parsed = selectorOf(selector);
  const equalities = parsed.requirements.map((one) =>
    one.operator === 'in' && one.values.length === 1 && (selector.matchLabels ?? {})[one.key] === one.values[0]
      ? { ...one, operator: '=' as const }
      : one,
  );
  return formatSelector({ requirements: equalities }) || '<none>';
}
