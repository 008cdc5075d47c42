/** `resource.Quantity` of k8s.io/apimachinery (release 1.36): a decimal number with an SI, binary or exponent suffix. */

const binarySuffixes: Readonly<Record<string, number>> = { Ki: 1, Mi: 2, Gi: 3, Ti: 4, Pi: 5, Ei: 6 };
const decimalSuffixes: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const quantityPattern = /^([+-]?)(\d+\.?\d*|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?|[eE][+-]?\d+)$/;

/** The value in billionths, exactly (rounded up below that, as upstream does); undefined when `text` is no quantity. */
export function parseQuantityNano(text: string | number): bigint | undefined {
  const match = quantityPattern.exec(String(text));
  if (!match) return undefined;
  const [, sign = '', digits = '', suffix = ''] = match;
  const [whole = '', fraction = ''] = digits.split('.');
  const mantissa = BigInt((whole || '0') + fraction);
  let power = 9 - fraction.length;
  let scaled = mantissa;
  const binary = binarySuffixes[suffix];
  if (binary !== undefined) scaled *= 1024n ** BigInt(binary);
  else if (/^[eE][+-]?\d/.test(suffix)) power += Number(suffix.slice(1));
  else power += decimalSuffixes[suffix] ?? 0;
  if (power >= 0) scaled *= 10n ** BigInt(Math.min(power, 60));
  else {
    const divisor = 10n ** BigInt(Math.min(-power, 60));
    scaled = (scaled + divisor - 1n) / divisor;
  }
  return sign === '-' ? -scaled : scaled;
}

/** The value in thousandths, rounded up: CPU in millicores. Throws RangeError when `text` is no quantity. */
export function quantityMilli(text: string | number): number {
  return ceilDivide(requireNano(text), 1_000_000n);
}

/** The value in whole units, rounded up: memory in bytes, pods in pods. Throws RangeError when `text` is no quantity. */
export function quantityValue(text: string | number): number {
  return ceilDivide(requireNano(text), 1_000_000_000n);
}

function requireNano(text: string | number): bigint {
  const nano = parseQuantityNano(text);
  if (nano === undefined) throw new RangeError(`not a quantity: ${JSON.stringify(text)}`);
  return nano;
}

function ceilDivide(value: bigint, by: bigint): number {
  const quotient = value / by;
  return Number(value > 0n && value % by !== 0n ? quotient + 1n : quotient);
}

/** Bytes in the largest binary unit that is exact: `128Mi`, `1500`. */
export function formatBytes(bytes: number): string {
  const units = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
  let value = bytes;
  let unit = '';
  for (const next of units) {
    if (value === 0 || value % 1024 !== 0) break;
    value /= 1024;
    unit = next;
  }
  return `${value}${unit}`;
}
