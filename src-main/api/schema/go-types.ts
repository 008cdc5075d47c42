import type { TypeSchema } from './types.ts';

/** What Go's JSON decoder calls a value; `exact` quotes numbers, as it does for those that do not fit. */
export function jsonType(value: unknown, exact?: true): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return exact ? `number ${value}` : 'number';
  return value === null ? 'null' : typeof value;
}

/** The Go spelling of a field's type, as decoder errors name it: `[]v1.Container`, `map[string]string`. */
export function goType(type: TypeSchema): string {
  switch (type.kind) {
    case 'list':
      return `[]${goType(type.items)}`;
    case 'map':
      return `map[string]${goType(type.values)}`;
    case 'ref': {
      const parts = type.ref.split('.');
      return parts.slice(-2).join('.');
    }
    case 'boolean':
      return 'bool';
    case 'double':
      return 'float64';
    case 'bytes':
      return '[]uint8';
    case 'quantity':
      return 'resource.Quantity';
    case 'intOrString':
      return 'intstr.IntOrString';
    case 'time':
      return 'v1.Time';
    case 'microTime':
      return 'v1.MicroTime';
    case 'any':
      return 'runtime.RawExtension';
    default:
      return type.kind;
  }
}
