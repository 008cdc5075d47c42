import { resolvePath, type FileTree } from '../file-tree.ts';
import { matchesPattern } from './patterns.ts';
import { ShellError, type ShellState } from './shell-state.ts';
import type { Expander } from './expansion.ts';
import type { Condition } from './syntax.ts';

interface ConditionHost {
  readonly state: ShellState;
  readonly expander: Expander;
  readonly process: { readonly host: { readonly files: FileTree }; readonly tty: boolean };
}

function integer(text: string): bigint {
  if (!/^\s*[+-]?\d+\s*$/.test(text)) throw new ShellError(`${text}: bad number`, 2);
  return BigInt(text.trim().replace(/^\+/, ''));
}

/** A unary test of a file or a string. */
export function unaryTest(operator: string, operand: string, host: ConditionHost): boolean {
  if (operator === '-z') return operand === '';
  if (operator === '-n') return operand !== '';
  if (operator === '-t') return host.process.tty;
  if (operator === '-v') return host.state.variables.has(operand);
  const { files } = host.process.host;
  const path = resolvePath(host.state.cwd, operand);
  if (operator === '-h' || operator === '-L') return files.findLink(path)?.type === 'symlink';
  const node = operand === '' ? undefined : files.find(path);
  if (!node) return false;
  switch (operator) {
    case '-f':
      return node.type === 'file';
    case '-d':
      return node.type === 'directory';
    case '-c':
      return node.type === 'device';
    case '-s':
      return node.type === 'file' ? node.content.length > 0 : true;
    case '-x':
      return (node.mode & 0o111) !== 0;
    case '-b':
    case '-p':
    case '-S':
    case '-u':
    case '-g':
    case '-k':
      return false;
    default:
      return true;
  }
}

/** A comparison of two strings, numbers or files. */
export function binaryTest(operator: string, left: string, right: string, host: ConditionHost): boolean {
  switch (operator) {
    case '=':
    case '==':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '>':
      return left > right;
    case '-eq':
      return integer(left) === integer(right);
    case '-ne':
      return integer(left) !== integer(right);
    case '-lt':
      return integer(left) < integer(right);
    case '-le':
      return integer(left) <= integer(right);
    case '-gt':
      return integer(left) > integer(right);
    case '-ge':
      return integer(left) >= integer(right);
    default: {
      const find = (name: string): ReturnType<FileTree['find']> =>
        host.process.host.files.find(resolvePath(host.state.cwd, name));
      const [a, b] = [find(left), find(right)];
      if (operator === '-ef') return a !== undefined && a === b;
      const [one, other] = operator === '-nt' ? [a, b] : [b, a];
      return one !== undefined && (other === undefined || one.mtimeMs > other.mtimeMs);
    }
  }
}

/** `[[ ... ]]`. */
export async function evaluateCondition(node: Condition, host: ConditionHost): Promise<boolean> {
  switch (node.type) {
    case 'CondAnd':
      return (await evaluateCondition(node.left, host)) && (await evaluateCondition(node.right, host));
    case 'CondOr':
      return (await evaluateCondition(node.left, host)) || (await evaluateCondition(node.right, host));
    case 'CondNot':
      return !(await evaluateCondition(node.operand, host));
    case 'CondGroup':
      return evaluateCondition(node.expression, host);
    case 'CondWord':
      return (await host.expander.text(node.word)) !== '';
    case 'CondUnary':
      return unaryTest(node.operator, await host.expander.text(node.operand), host);
    case 'CondBinary': {
      const left = await host.expander.text(node.left);
      if (node.operator === '=~') return new RegExp(await host.expander.text(node.right), 'u').test(left);
      if (node.operator === '=' || node.operator === '==' || node.operator === '!=') {
        return matchesPattern(await host.expander.pattern(node.right), left) === (node.operator !== '!=');
      }
      return binaryTest(node.operator, left, await host.expander.text(node.right), host);
    }
  }
}

const unaryOperators = /^-[bcdefghkLnprsStuvwxzGO]$/;
const binaryOperators = /^(?:=|==|!=|<|>|-eq|-ne|-lt|-le|-gt|-ge|-nt|-ot|-ef)$/;

/** `test` and `[`: an expression in arguments, by POSIX's rules for up to four and precedence beyond. */
export class TestExpression {
  readonly #args: readonly string[];
  readonly #host: ConditionHost;
  #at = 0;

  constructor(args: readonly string[], host: ConditionHost) {
    this.#args = args;
    this.#host = host;
  }

  /** Throws {@link ShellError} with 2 for what is no expression. */
  evaluate(): boolean {
    if (this.#args.length === 0) return false;
    const result = this.#or();
    if (this.#at < this.#args.length) throw new ShellError(`${this.#args[this.#at] ?? ''}: unknown operand`, 2);
    return result;
  }

  #or(): boolean {
    let result = this.#and();
    while (this.#args[this.#at] === '-o') {
      this.#at++;
      const right = this.#and();
      result ||= right;
    }
    return result;
  }

  #and(): boolean {
    let result = this.#not();
    while (this.#args[this.#at] === '-a') {
      this.#at++;
      const right = this.#not();
      result &&= right;
    }
    return result;
  }

  #not(): boolean {
    if (this.#args[this.#at] === '!' && this.#at + 1 < this.#args.length) {
      this.#at++;
      return !this.#not();
    }
    return this.#primary();
  }

  #primary(): boolean {
    const first = this.#args[this.#at] ?? '';
    const operator = this.#args[this.#at + 1] ?? '';
    const right = this.#args[this.#at + 2];
    if (binaryOperators.test(operator) && right !== undefined) {
      this.#at += 3;
      return binaryTest(operator, first, right, this.#host);
    }
    if (first === '(') {
      this.#at++;
      const result = this.#or();
      if (this.#args[this.#at] !== ')') throw new ShellError('closing paren expected', 2);
      this.#at++;
      return result;
    }
    if (unaryOperators.test(first) && this.#at + 1 < this.#args.length) {
      this.#at += 2;
      return unaryTest(first, operator, this.#host);
    }
    this.#at++;
    return first !== '';
  }
}
