/** Name rules of `k8s.io/apimachinery/pkg/util/validation` (release 1.36). Each check gives the texts of what is wrong. */

export type NameCheck = (value: string) => readonly string[];

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const qualified = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';

function patternError(message: string, pattern: string, ...examples: readonly string[]): string {
  const list = examples.map((example) => `'${example}', `).join(' or ');
  return `${message} (e.g. ${list}regex used for validation is '${pattern}')`;
}

const maxLength = (length: number): string => `must be no more than ${length} bytes`;

const dns1123LabelMessage = patternError(
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  label,
  'my-name',
  '123-abc',
);
const subdomain = `${label}(\\.${label})*`;
const dns1123SubdomainMessage = patternError(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  subdomain,
  'example.com',
);
const dns1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const dns1035Message = patternError(
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  dns1035,
  'my-name',
  'abc-123',
);
const qualifiedMessage = patternError(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  qualified,
  'MyName',
  'my.name',
  '123-abc',
);
const labelValueMessage = patternError(
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  `(${qualified})?`,
  'MyValue',
  'my_value',
  '12345',
);
const configKey = '[-._a-zA-Z0-9]+';
const configKeyMessage = patternError(
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  configKey,
  'key.name',
  'KEY_NAME',
  'key-name',
);

/** Compiles `pattern` anchored once, and gives the check. */
function check(pattern: string, message: string, max: number): NameCheck {
  const expression = new RegExp(`^(?:${pattern})$`);
  return (value) => [...(value.length > max ? [maxLength(max)] : []), ...(expression.test(value) ? [] : [message])];
}

export const isDns1123Label = check(label, dns1123LabelMessage, 63);
export const isDns1123Subdomain = check(subdomain, dns1123SubdomainMessage, 253);
export const isDns1035Label = check(dns1035, dns1035Message, 63);
export const isLabelValue = check(`(${qualified})?`, labelValueMessage, 63);
const isQualifiedPart = check(qualified, qualifiedMessage, 63);
const isConfigKeyPattern = check(configKey, configKeyMessage, 253);

/** Path segments: names of RBAC objects, which may hold almost anything. */
export const isPathSegment: NameCheck = (value) => {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  return ['/', '%'].filter((part) => value.includes(part)).map((part) => `may not contain '${part}'`);
};

/** A label or annotation key: `[prefix/]name`. */
export const isQualifiedName: NameCheck = (value) => {
  const parts = value.split('/');
  if (parts.length > 2) {
    return [
      `a qualified name ${qualifiedMessage} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const errors: string[] = [];
  const name = parts[parts.length - 1] ?? '';
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    if (prefix === '') errors.push('prefix part must be non-empty');
    else errors.push(...isDns1123Subdomain(prefix).map((text) => `prefix part ${text}`));
  }
  if (name === '') errors.push('name part must be non-empty');
  return [...errors, ...isQualifiedPart(name).map((text) => `name part ${text}`)];
};

export const isConfigMapKey: NameCheck = (value) => {
  if (value === '.') return ["must not be '.'"];
  if (value === '..') return ["must not be '..'"];
  const errors = isConfigKeyPattern(value);
  return value.startsWith('..') ? [...errors, "must not start with '..'"] : errors;
};

export const isEnvVarName: NameCheck = (value) => {
  const bad = [...value].some((char) => char < ' ' || char > '~' || char === '=') || value === '';
  return bad
    ? ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
    : [];
};

/** An IANA service name, the form of a named port. */
export const isPortName: NameCheck = (value) => {
  const errors: string[] = [];
  if (value.length > 15) errors.push(maxLength(15));
  if (!/^[-a-z0-9]+$/.test(value)) {
    errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  }
  if (!/[a-z]/.test(value)) errors.push('must contain at least one letter (a-z)');
  if (value.includes('--')) errors.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
};

export const inRange = (value: number, from: number, to: number): readonly string[] =>
  Number.isInteger(value) && value >= from && value <= to ? [] : [`must be between ${from} and ${to}, inclusive`];

export const isPortNumber = (value: number): readonly string[] => inRange(value, 1, 65_535);

/** Characters left of a generated name: 63 less the five random ones. */
const maxGeneratedPrefix = 58;

/** `generateName` plus five random characters (`names.SimpleNameGenerator` of k8s.io/apiserver, release 1.36). */
export function generatedName(base: string, random: { suffix(length: number): string }): string {
  return base.slice(0, maxGeneratedPrefix) + random.suffix(5);
}
