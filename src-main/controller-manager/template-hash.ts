/** The digits and consonants that stand for a hash in names and labels (`rand.SafeEncodeString`, release 1.36). */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * A short name for a JSON value, stable over the order of its fields: FNV-1a (32 bit) over its canonical spelling, in
 * decimal, each digit put into the safe alphabet. `collisions` shifts it when two values met in one name. Upstream hashes
 * a dump of Go memory instead, so its names differ from ours; nothing may depend on either.
 */
export function computeHash(value: unknown, collisions?: number): string {
  const suffix = collisions === undefined ? '' : `#${collisions}`;
  return encode(fnv1a(canonical(value) + suffix));
}

function fnv1a(text: string): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    hash = Math.imul(hash ^ (code & 0xff), 0x0100_0193);
    if (code > 0xff) hash = Math.imul(hash ^ (code >>> 8), 0x0100_0193);
  }
  return hash >>> 0;
}

function encode(hash: number): string {
  let out = '';
  for (const digit of String(hash)) out += alphabet[digit.charCodeAt(0) % alphabet.length] ?? '';
  return out;
}

/** JSON with sorted fields, without null, undefined, empty objects and empty lists: what Go calls semantically equal. */
function canonical(value: unknown): string {
  return spell(value) ?? 'null';
}

function spell(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) {
    return value.length === 0 ? undefined : `[${value.map((item) => spell(item) ?? 'null').join(',')}]`;
  }
  const parts: string[] = [];
  for (const [key, part] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const text = spell(part);
    if (text !== undefined) parts.push(`${JSON.stringify(key)}:${text}`);
  }
  return parts.length === 0 ? undefined : `{${parts.join(',')}}`;
}

/** Semantic equality of API values: absent, null and empty are one (`equality.Semantic.DeepEqual`, release 1.36). */
export function semanticEqual(a: unknown, b: unknown): boolean {
  return a === b || canonical(a) === canonical(b);
}
