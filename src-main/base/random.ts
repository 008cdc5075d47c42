/** The only source of chance in Drydock: seeded, so that a run can be repeated. Not for secrets. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform whole number in [0, limit). */
  integer(limit: number): number;
  /** Lower-case hex, `digits` long. */
  hex(digits: number): string;
  /** A version 4 UUID, the form of `metadata.uid`. */
  uuid(): string;
  /** `length` characters of the alphabet Kubernetes uses for generated names (no vowels, no look-alikes). */
  suffix(length: number): string;
  /** One of `items`; undefined when there is none. */
  pick<T>(items: readonly T[]): T | undefined;
}

/** The alphabet of `k8s.io/apimachinery/pkg/util/rand` (release 1.36). */
const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** xoshiro128** by Blackman and Vigna (public domain), seeded through splitmix32. */
export class SeededRandom implements Random {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    let x = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e37_79b9) >>> 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x85eb_ca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
      this.#state[i] = (z ^ (z >>> 16)) >>> 0;
    }
  }

  #uint32(): number {
    const s = this.#state;
    const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = s;
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const n2 = s2 ^ s0;
    const n3 = s3 ^ s1;
    s[0] = s0 ^ n3;
    s[1] = s1 ^ n2;
    s[2] = n2 ^ (s1 << 9);
    s[3] = (n3 << 11) | (n3 >>> 21);
    return result;
  }

  next(): number {
    return (this.#uint32() * 0x20_0000 + (this.#uint32() >>> 11)) / 2 ** 53;
  }

  integer(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  hex(digits: number): string {
    let out = '';
    while (out.length < digits) out += this.#uint32().toString(16).padStart(8, '0');
    return out.slice(0, digits);
  }

  uuid(): string {
    const h = this.hex(32);
    const variant = '89ab'[this.integer(4)] ?? '8';
    return `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-${variant}${h.slice(17, 20)}-${h.slice(20)}`;
  }

  suffix(length: number): string {
    let out = '';
    for (let i = 0; i < length; i++) out += suffixAlphabet[this.integer(suffixAlphabet.length)] ?? '';
    return out;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.integer(items.length)];
  }
}

/** A seed nobody chose, for runs that need not be repeated. */
export function freshSeed(): number {
  return Math.floor(Math.random() * 2 ** 32);
}
