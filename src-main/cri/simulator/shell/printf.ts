const escapes: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  e: '\u001b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

/** Backslash escapes as `echo -e` and `printf` read them. `\c` stops the output. */
export function unescapeEcho(text: string): { readonly value: string; readonly stop: boolean } {
  let stop = false;
  const value = text.replace(
    /\\(c[^]*|0[0-7]{0,3}|[1-7][0-7]{0,2}|x[0-9a-fA-F]{1,2}|[abefnrtv\\"'])/g,
    (_match, code: string) => {
      if (code.startsWith('c')) {
        stop = true;
        return '';
      }
      if (code.startsWith('x')) return String.fromCharCode(parseInt(code.slice(1), 16));
      if (/^[0-7]/.test(code)) return String.fromCharCode(parseInt(code, 8) & 255);
      return escapes[code] ?? code;
    },
  );
  return { value, stop };
}

const directive = /%(?:%|([-+ 0#]*)(\*|\d+)?(?:\.(\*|\d+)?)?([a-zA-Z]))/g;

/** POSIX `printf`: the format is used again while arguments are left. */
export function formatPrintf(format: string, values: readonly string[]): string {
  const left = [...values];
  let out = '';
  do {
    const before = left.length;
    const { text, stop } = formatOnce(format, left);
    out += text;
    if (stop || left.length === before) break;
  } while (left.length > 0);
  return out;
}

function formatOnce(format: string, left: string[]): { text: string; stop: boolean } {
  let stop = false;
  const parts = format.split(/(%(?:%|[-+ 0#]*(?:\*|\d+)?(?:\.(?:\*|\d+)?)?[a-zA-Z]))/);
  const text = parts.map((part, index) => {
    if (stop) return '';
    if (index % 2 === 1) {
      const result = formatDirective(part, left);
      stop ||= result.stop;
      return result.text;
    }
    const literal = unescapeEcho(part);
    stop ||= literal.stop;
    return literal.value;
  });
  return { text: text.join(''), stop };
}

function formatDirective(part: string, left: string[]): { text: string; stop: boolean } {
  if (part === '%%') return { text: '%', stop: false };
  directive.lastIndex = 0;
  const [, flags = '', widthText, precisionText, kind = 's'] = directive.exec(part) ?? [];
  const width = widthText === '*' ? Number(left.shift() ?? 0) : Number(widthText ?? 0);
  const precision =
    precisionText === undefined ? undefined : precisionText === '*' ? Number(left.shift() ?? 0) : Number(precisionText);
  const value = left.shift() ?? '';
  if (kind === 'b') {
    const { value: text, stop } = unescapeEcho(value);
    return { text: pad(text, width, flags), stop };
  }
  const text = convert(kind, value, precision, flags);
  return { text: pad(text, width, /[sc]/.test(kind) ? flags.replace('0', '') : flags), stop: false };
}

function numberOf(value: string): number {
  if (/^['"]/.test(value)) return value.charCodeAt(1);
  const number = /^[+-]?0[0-7]+$/.test(value) ? parseInt(value, 8) : Number(value.trim() === '' ? 0 : value);
  return Number.isNaN(number) ? Number(parseInt(value, 10) || 0) : number;
}

function convert(kind: string, value: string, precision: number | undefined, flags: string): string {
  switch (kind) {
    case 'd':
    case 'i':
    case 'u': {
      const number = Math.trunc(numberOf(value));
      const digits = String(Math.abs(number)).padStart(precision ?? 0, '0');
      return (number < 0 ? '-' : flags.includes('+') ? '+' : '') + digits;
    }
    case 'x':
      return (flags.includes('#') ? '0x' : '') + Math.trunc(numberOf(value)).toString(16);
    case 'X':
      return Math.trunc(numberOf(value)).toString(16).toUpperCase();
    case 'o':
      return Math.trunc(numberOf(value)).toString(8);
    case 'f':
    case 'F':
      return numberOf(value).toFixed(precision ?? 6);
    case 'e':
      return numberOf(value)
        .toExponential(precision ?? 6)
        .replace(/e([+-])(\d)$/, 'e$10$2');
    case 'g':
      return String(Number(numberOf(value).toPrecision(precision || 6)));
    case 'c':
      return value.charAt(0);
    case 'q':
      return /^[\w./:=@-]+$/.test(value) ? value : `'${value.replace(/'/g, "'\\''")}'`;
    default:
      return precision === undefined ? value : value.slice(0, precision);
  }
}

function pad(text: string, width: number, flags: string): string {
  if (flags.includes('-') || width < 0) return text.padEnd(Math.abs(width));
  if (!flags.includes('0')) return text.padStart(width);
  const sign = /^[+-]/.test(text) ? text.charAt(0) : '';
  return sign + text.slice(sign.length).padStart(width - sign.length, '0');
}
