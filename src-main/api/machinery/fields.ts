/** Field selectors (`fields.Selector` of k8s.io/apimachinery, release 1.36): `spec.nodeName=a,status.phase!=Running`. */

export interface FieldTerm {
  readonly field: string;
  readonly value: string;
  readonly negated: boolean;
}

/** All terms must hold. The empty selector matches everything. */
export type FieldSelector = readonly FieldTerm[];

/** Throws RangeError with upstream's text when `text` is no field selector. */
export function parseFieldSelector(text: string): FieldSelector {
  return splitTerms(text)
    .filter((term) => term !== '')
    .map((term) => {
      const match = /^((?:[^=!\\]|\\.|!(?!=))*)(!=|==|=)([^]*)$/.exec(term);
      if (!match) throw new RangeError(`invalid selector: '${text}'; can't understand '${term}'`);
      const [, field = '', operator, raw = ''] = match;
      return { field, value: unescape(raw, text), negated: operator === '!=' };
    });
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let term = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? '';
    if (char === '\\') term += char + (text[++i] ?? '');
    else if (char === ',') {
      terms.push(term);
      term = '';
    } else term += char;
  }
  return [...terms, term];
}

function unescape(value: string, text: string): string {
  if (/(^|[^\\])(\\\\)*[=,]/.test(value))
    throw new RangeError(`invalid selector: '${text}'; can't understand '${value}'`);
  return value.replace(/\\([\\,=])/g, '$1');
}

/** `fieldsOf` holds the selectable fields of the object; one that it lacks counts as empty. */
export function matchesFields(selector: FieldSelector, fieldsOf: Readonly<Record<string, string>>): boolean {
  return selector.every(({ field, value, negated }) => ((fieldsOf[field] ?? '') === value) !== negated);
}

/** The value the selector demands of `field`, if it demands exactly one: lets a list read fewer keys. */
export function requiredFieldValue(selector: FieldSelector, field: string): string | undefined {
  return selector.find((term) => term.field === field && !term.negated)?.value;
}
