import { StatusError } from '../machinery/status.ts';

/** `field.ErrorType` of k8s.io/apimachinery (release 1.36): its printed name and the reason of its status cause. */
const kinds = {
  required: ['Required value', 'FieldValueRequired'],
  duplicate: ['Duplicate value', 'FieldValueDuplicate'],
  invalid: ['Invalid value', 'FieldValueInvalid'],
  notSupported: ['Unsupported value', 'FieldValueNotSupported'],
  forbidden: ['Forbidden', 'FieldValueForbidden'],
  tooLong: ['Too long', 'FieldValueTooLong'],
  tooMany: ['Too many', 'FieldValueTooMany'],
  notFound: ['Not found', 'FieldValueNotFound'],
} as const;

export type FieldErrorType = keyof typeof kinds;

/** One thing wrong with one field. `field` is a path such as `spec.containers[0].image`. */
export interface FieldError {
  readonly type: FieldErrorType;
  readonly field: string;
  readonly value?: unknown;
  readonly detail: string;
}

export const required = (field: string, detail = ''): FieldError => ({ type: 'required', field, detail });
export const forbidden = (field: string, detail: string): FieldError => ({ type: 'forbidden', field, detail });
export const tooLong = (field: string, maxBytes: number): FieldError => ({
  type: 'tooLong',
  field,
  detail: `may not be more than ${maxBytes} bytes`,
});
export const invalid = (field: string, value: unknown, detail: string): FieldError => ({
  type: 'invalid',
  field,
  value,
  detail,
});
export const duplicate = (field: string, value: unknown): FieldError => ({
  type: 'duplicate',
  field,
  value,
  detail: '',
});
export const notFound = (field: string, value: unknown): FieldError => ({ type: 'notFound', field, value, detail: '' });
export const tooMany = (field: string, actual: number, max: number): FieldError => ({
  type: 'tooMany',
  field,
  value: actual,
  detail: `must have at most ${max} item${max === 1 ? '' : 's'}`,
});

export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const values = supported.map((one) => JSON.stringify(one)).join(', ');
  return { type: 'notSupported', field, value, detail: `supported values: ${values}` };
}

/** The text after the field's path: `Invalid value: "x": must be ...`. */
function errorBody(error: FieldError): string {
  const name = kinds[error.type][0];
  const bare = error.type === 'required' || error.type === 'forbidden' || error.type === 'tooLong';
  const head = bare ? name : `${name}: ${JSON.stringify(error.value ?? null)}`;
  return error.detail ? `${head}: ${error.detail}` : head;
}

export function errorText(error: FieldError): string {
  return `${error.field}: ${errorBody(error)}`;
}

/** The one or many texts of an aggregate: `a`, or `[a, b]`; repeated texts are named once. */
export function aggregateText(texts: readonly string[]): string {
  const distinct = [...new Set(texts)];
  return distinct.length === 1 ? (distinct[0] ?? '') : `[${distinct.join(', ')}]`;
}

/** The Invalid StatusError of an object (`errors.NewInvalid` of k8s.io/apimachinery, release 1.36). */
export function invalidError(
  kind: { readonly group: string; readonly kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusError {
  const qualified = kind.group ? `${kind.kind}.${kind.group}` : kind.kind;
  const causes = errors.map((error) => ({
    reason: kinds[error.type][1],
    message: errorBody(error),
    field: error.field,
  }));
  return new StatusError(
    'Invalid',
    `${qualified} ${JSON.stringify(name)} is invalid: ${aggregateText(errors.map(errorText))}`,
    { name, ...(kind.group ? { group: kind.group } : {}), kind: kind.kind, causes },
  );
}
