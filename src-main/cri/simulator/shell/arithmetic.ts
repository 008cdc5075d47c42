import { ShellError, type ShellState } from './shell-state.ts';
import type { Arithmetic } from './syntax.ts';

/** What arithmetic needs of its surroundings. */
export interface ArithmeticScope {
  readonly state: ShellState;
  /** The value of a parameter: a variable, `#`, `?`, `1`. */
  parameter(name: string): string;
  substitute(command: string): Promise<string>;
  /** Evaluates the text of a variable as an expression of its own. */
  nested(text: string): Promise<bigint>;
}

function wrap(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}

function parseNumber(text: string): bigint {
  if (/^0[0-7]+$/.test(text)) return BigInt(`0o${text.slice(1)}`);
  return /^(?:0[xX][0-9a-fA-F]+|\d+)$/.test(text) ? BigInt(text) : 0n;
}

async function valueOf(scope: ArithmeticScope, name: string): Promise<bigint> {
  const text = scope.parameter(name).trim();
  if (text === '') return 0n;
  if (/^[+-]?(?:0[xX][0-9a-fA-F]+|\d+)$/.test(text)) {
    return text.startsWith('-') ? -parseNumber(text.slice(1)) : parseNumber(text.replace(/^\+/, ''));
  }
  return scope.nested(text);
}

function binary(operator: string, left: bigint, right: bigint): bigint {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
    case '%':
      if (right === 0n) throw new ShellError('arithmetic syntax error: divide by zero');
      return operator === '/' ? left / right : left % right;
    case '**':
      return left ** right;
    case '<<':
      return left << right;
    case '>>':
      return left >> right;
    case '&':
      return left & right;
    case '|':
      return left | right;
    case '^':
      return left ^ right;
    case ',':
      return right;
    default:
      return compare(operator, left, right) ? 1n : 0n;
  }
}

function compare(operator: string, left: bigint, right: bigint): boolean {
  if (operator === '<') return left < right;
  if (operator === '<=') return left <= right;
  if (operator === '>') return left > right;
  if (operator === '>=') return left >= right;
  return operator === '==' ? left === right : left !== right;
}

/** The value of an arithmetic expression, 64 bits wide as every shell has it. */
export async function evaluate(node: Arithmetic, scope: ArithmeticScope): Promise<bigint> {
  switch (node.type) {
    case 'ArithNumber':
      return BigInt(Math.trunc(node.value));
    case 'ArithVariable':
    case 'ArithSpecialVar':
      return valueOf(scope, node.name);
    case 'ArithGroup':
    case 'ArithNested':
      return evaluate(node.expression, scope);
    case 'ArithCommandSubst':
      return parseNumber((await scope.substitute(node.command)).trim());
    case 'ArithBracedExpansion':
      return valueOf(scope, node.content);
    case 'ArithTernary':
      return (await evaluate(node.condition, scope)) !== 0n
        ? evaluate(node.consequent, scope)
        : evaluate(node.alternate, scope);
    case 'ArithBinary':
      return evaluateBinary(node, scope);
    case 'ArithUnary':
      return evaluateUnary(node, scope);
    case 'ArithAssignment': {
      const operand = await evaluate(node.value, scope);
      const operator = node.operator.slice(0, -1);
      const value = wrap(operator === '' ? operand : binary(operator, await valueOf(scope, node.variable), operand));
      scope.state.set(node.variable, String(value));
      return value;
    }
    case 'ArithArrayElement': {
      const index = node.index ? Number(await evaluate(node.index, scope)) : 0;
      return parseNumber(scope.state.arrays.get(node.array)?.[index] ?? '0');
    }
    default:
      throw new ShellError('arithmetic syntax error');
  }
}

async function evaluateBinary(
  node: Extract<Arithmetic, { type: 'ArithBinary' }>,
  scope: ArithmeticScope,
): Promise<bigint> {
  const left = await evaluate(node.left, scope);
  if (node.operator === '&&') return left !== 0n && (await evaluate(node.right, scope)) !== 0n ? 1n : 0n;
  if (node.operator === '||') return left !== 0n || (await evaluate(node.right, scope)) !== 0n ? 1n : 0n;
  return wrap(binary(node.operator, left, await evaluate(node.right, scope)));
}

async function evaluateUnary(
  node: Extract<Arithmetic, { type: 'ArithUnary' }>,
  scope: ArithmeticScope,
): Promise<bigint> {
  const value = await evaluate(node.operand, scope);
  switch (node.operator) {
    case '-':
      return -value;
    case '+':
      return value;
    case '!':
      return value === 0n ? 1n : 0n;
    case '~':
      return ~value;
    default: {
      const next = wrap(node.operator === '++' ? value + 1n : value - 1n);
      if (node.operand.type === 'ArithVariable') scope.state.set(node.operand.name, String(next));
      return node.prefix ? next : value;
    }
  }
}
