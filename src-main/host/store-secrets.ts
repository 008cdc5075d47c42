import { createHmac, randomBytes } from 'node:crypto';
import type { Masking } from '#contract/store';

/** Where the API server keeps Secrets, whatever the name of its prefix. */
const secretKey = /^\/[^/]+\/secrets\//;
/** Of this process: equal data has equal marks, and a mark cannot be tried against a list of passwords elsewhere. */
const salt = randomBytes(32);

export function isSecret(key: string): boolean {
  return secretKey.test(key);
}

/**
 * A Secret's object without its data. Each value becomes `(hidden: 12 bytes, mark 3fa90c21)`, so that a difference of two
 * revisions still says which of them changed. What `kubectl apply` remembers of the data is hidden as well.
 */
export function mask(
  key: string,
  value: unknown,
  reveal: boolean,
): { readonly value: unknown; readonly masking: Masking } {
  if (!isSecret(key)) return { value, masking: 'none' };
  if (reveal) return { value, masking: 'revealed' };
  if (!isRecord(value)) return { value: hidden(value), masking: 'masked' };
  const { data, stringData, metadata, ...rest } = value;
  const masked: Record<string, unknown> = { ...rest };
  if (metadata !== undefined) masked['metadata'] = isRecord(metadata) ? maskAnnotations(metadata) : metadata;
  if (data !== undefined) masked['data'] = maskEach(data);
  if (stringData !== undefined) masked['stringData'] = maskEach(stringData);
  return { value: inOrderOf(value, masked), masking: 'masked' };
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

function maskAnnotations(metadata: Readonly<Record<string, unknown>>): unknown {
  const { annotations } = metadata;
  if (!isRecord(annotations) || annotations[lastApplied] === undefined) return metadata;
  return { ...metadata, annotations: { ...annotations, [lastApplied]: hidden(annotations[lastApplied]) } };
}

function maskEach(values: unknown): unknown {
  if (!isRecord(values)) return hidden(values);
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, hidden(value)]));
}

function hidden(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const mark = createHmac('sha256', salt).update(text).digest('hex').slice(0, 8);
  return `(hidden: ${Buffer.byteLength(text)} bytes, mark ${mark})`;
}

function inOrderOf(order: object, value: Readonly<Record<string, unknown>>): unknown {
  return Object.fromEntries(Object.keys(order).map((key) => [key, value[key]]));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
