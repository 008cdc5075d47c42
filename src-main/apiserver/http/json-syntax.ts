/**
 * Says where JSON text is broken, in the words Kubernetes' clients know (those of Go's encoding/json). Run only after
 * `JSON.parse` has refused the text, whose own message differs from engine to engine.
 */
export function describeJsonError(text: string): string {
  const scanner = new Scanner(text);
  try {
    scanner.document();
  } catch (error) {
    if (error instanceof SyntaxFault) return error.message;
    throw error;
  }
  return 'invalid JSON';
}

class SyntaxFault extends Error {}

/** Go's nesting limit for JSON documents. */
const maxDepth = 10_000;

class Scanner {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): void {
    this.#value();
    this.#space();
    if (this.#at < this.#text.length) this.#fail('after top-level value');
  }

  #fail(where: string): never {
    const char = this.#text.slice(this.#at, this.#at + 1);
    if (char === '') throw new SyntaxFault('unexpected end of JSON input');
    const quoted = char === "'" ? `'\\''` : char === '"' ? `'"'` : `'${JSON.stringify(char).slice(1, -1)}'`;
    throw new SyntaxFault(`invalid character ${quoted} ${where}`);
  }

  #space(): void {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? 'x')) this.#at++;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #value(): void {
    this.#space();
    const char = this.#text[this.#at] ?? '';
    if (char === '{') this.#nested(() => this.#object());
    else if (char === '[') this.#nested(() => this.#array());
    else if (char === '"') this.#string();
    else if (char === 't') this.#literal('true');
    else if (char === 'f') this.#literal('false');
    else if (char === 'n') this.#literal('null');
    else if (/[-0-9]/.test(char)) this.#number();
    else this.#fail('looking for beginning of value');
  }

  #nested(scan: () => void): void {
    if (++this.#depth > maxDepth) throw new SyntaxFault('exceeded max depth');
    this.#at++;
    scan();
    this.#depth--;
  }

  #object(): void {
    this.#space();
    if (this.#take('}')) return;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') this.#fail('looking for beginning of object key string');
      this.#string();
      this.#space();
      if (!this.#take(':')) this.#fail('after object key');
      this.#value();
      this.#space();
      if (this.#take('}')) return;
      if (!this.#take(',')) this.#fail('after object key:value pair');
    }
  }

  #array(): void {
    this.#space();
    if (this.#take(']')) return;
    for (;;) {
      this.#value();
      this.#space();
      if (this.#take(']')) return;
      if (!this.#take(',')) this.#fail('after array element');
    }
  }

  #string(): void {
    this.#at++;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined || char < ' ') this.#fail('in string literal');
      this.#at++;
      if (char === '"') return;
      if (char === '\\') this.#escape();
    }
  }

  #escape(): void {
    const char = this.#text[this.#at] ?? '';
    if (char === '' || !'"\\/bfnrtu'.includes(char)) this.#fail('in string escape code');
    this.#at++;
    if (char !== 'u') return;
    for (let i = 0; i < 4; i++) {
      if (!/[0-9a-fA-F]/.test(this.#text[this.#at] ?? '')) this.#fail('in \\u hexadecimal character escape');
      this.#at++;
    }
  }

  #literal(word: string): void {
    for (const expected of word) {
      if (!this.#take(expected)) this.#fail(`in literal ${word} (expecting '${expected}')`);
    }
  }

  #number(): void {
    if (this.#take('-') && !/[0-9]/.test(this.#text[this.#at] ?? '')) this.#fail('in numeric literal');
    if (!this.#take('0')) this.#digits('in numeric literal');
    if (this.#take('.')) this.#digits('after decimal point in numeric literal');
    if (this.#take('e') || this.#take('E')) {
      if (!this.#take('+')) this.#take('-');
      this.#digits('in exponent of numeric literal');
    }
  }

  #digits(where: string): void {
    if (!/[0-9]/.test(this.#text[this.#at] ?? '')) this.#fail(where);
    while (/[0-9]/.test(this.#text[this.#at] ?? '')) this.#at++;
  }
}
