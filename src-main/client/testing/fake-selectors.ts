import { StatusError } from '#api/machinery/status';
import type { KubeObject } from '#api/machinery/object';

/** Whether `object` is selected by the `labelSelector` and `fieldSelector` of a query. */
export function selects(query: Readonly<Record<string, string>>, object: KubeObject): boolean {
  const { labelSelector = '', fieldSelector = '' } = query;
  return matchesLabelText(labelSelector, object) && matchesFieldText(fieldSelector, object);
}

function matchesLabelText(text: string, object: KubeObject): boolean {
  const labels = object.metadata.labels ?? {};
  // Commas inside parentheses separate values, all others separate requirements.
  for (const part of text.split(/,(?![^(]*\))/).map((each) => each.trim())) {
    if (part === '') continue;
    const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part);
    if (set) {
      const [, key = '', operator, list = ''] = set;
      const value = labels[key];
      const inside =
        value !== undefined &&
        list
          .split(',')
          .map((each) => each.trim())
          .includes(value);
      if (inside !== (operator === 'in')) return false;
      continue;
    }
    const equality = /^([^!=\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(part);
    if (equality) {
      const [, key = '', operator, value] = equality;
      if ((labels[key] === value) !== (operator !== '!=')) return false;
      continue;
    }
    const absent = part.startsWith('!');
    if ((labels[part.replace(/^!/, '')] !== undefined) === absent) return false;
  }
  return true;
}

function matchesFieldText(text: string, object: KubeObject): boolean {
  for (const part of text.split(',')) {
    if (part === '') continue;
    const match = /^([^!=]+)(==|=|!=)(.*)$/.exec(part);
    if (!match) throw new StatusError('BadRequest', `invalid field selector ${part}`);
    const [, path = '', operator, value] = match;
    if ((fieldText(object, path) === value) !== (operator !== '!=')) return false;
  }
  return true;
}

function fieldText(object: unknown, path: string): string {
  let at: unknown = object;
  for (const step of path.split('.')) {
    at = typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[step] : undefined;
  }
  return at === undefined || at === null ? '' : String(at);
}
