import { StatusError } from '#api/machinery/status';

/** The parts that the checks of requests are made of. Each returns a fresh value, or throws StatusError BadRequest. */
export type Check = (value: unknown, path: string) => unknown;

function refuse(path: string, expectation: string): never {
  throw new StatusError('BadRequest', `${path}: ${expectation}`, {
    causes: [{ reason: 'FieldValueInvalid', field: path, message: expectation }],
  });
}

export function text(options: { pattern?: RegExp; max?: number; says?: string } = {}): Check {
  const { pattern, max = 4096, says = 'must be a text' } = options;
  return (value, path) => {
    if (typeof value !== 'string' || value.length > max || (pattern && !pattern.test(value))) refuse(path, says);
    return value;
  };
}

export function whole(min: number, max: number): Check {
  return (value, path) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
      refuse(path, `must be a whole number from ${min} to ${max}`);
    return value;
  };
}

export function oneOf(...choices: readonly string[]): Check {
  return (value, path) => {
    if (typeof value !== 'string' || !choices.includes(value)) refuse(path, `must be one of ${choices.join(', ')}`);
    return value;
  };
}

export const flag: Check = (value, path) => {
  if (typeof value !== 'boolean') refuse(path, 'must be true or false');
  return value;
};

/** Any JSON value; the API server validates bodies itself. */
export const anything: Check = (value) => value;

export const texts: Check = (value, path) => {
  const entries = Object.entries(record(value, path));
  if (entries.length > 32) refuse(path, 'has too many entries');
  return Object.fromEntries(entries.map(([key, item]) => [key, text()(item, `${path}.${key}`)]));
};

export function optional(check: Check): Check {
  return (value, path) => (value === undefined ? undefined : check(value, path));
}

function record(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(path, 'must be an object');
  return value as Record<string, unknown>;
}

export function fields(checks: Readonly<Record<string, Check>>): Check {
  return (value, path) => {
    const given = record(value, path);
    for (const key of Object.keys(given))
      if (!Object.hasOwn(checks, key)) refuse(`${path}.${key}`, 'is not a known field');
    const decoded: Record<string, unknown> = {};
    for (const [key, check] of Object.entries(checks)) {
      const result = check(given[key], `${path}.${key}`);
      if (result !== undefined) decoded[key] = result;
    }
    return decoded;
  };
}

export function within(min: number, max: number): Check {
  return (value, path) => {
    if (typeof value !== 'number' || !(value >= min && value <= max))
      refuse(path, `must be a number from ${min} to ${max}`);
    return value;
  };
}

export function listOf(check: Check, max: number): Check {
  return (value, path) => {
    if (!Array.isArray(value) || value.length > max) refuse(path, `must be a list of at most ${max}`);
    return value.map((item: unknown, index) => check(item, `${path}[${index}]`));
  };
}

/** One of several shapes, told apart by the text in the field `by`. */
export function variants(by: string, shapes: Readonly<Record<string, Readonly<Record<string, Check>>>>): Check {
  return (value, path) => {
    const kind = record(value, path)[by];
    const shape = typeof kind === 'string' && Object.hasOwn(shapes, kind) ? shapes[kind] : undefined;
    if (!shape) refuse(`${path}.${by}`, `must be one of ${Object.keys(shapes).join(', ')}`);
    return fields({ [by]: text(), ...shape })(value, path);
  };
}

/** Exactly one of the fields. */
export function exactlyOne(checks: Readonly<Record<string, Check>>): Check {
  const every = fields(Object.fromEntries(Object.entries(checks).map(([key, check]) => [key, optional(check)])));
  return (value, path) => {
    const decoded = every(value, path);
    if (Object.keys(record(decoded, path)).length !== 1)
      refuse(path, `must have exactly one of ${Object.keys(checks).join(', ')}`);
    return decoded;
  };
}
