/** The canonical spelling of quantities (`resource.Quantity.String` of k8s.io/apimachinery, release 1.36). */

const pattern = /^([+-]?)(\d+\.?\d*|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?|[eE][+-]?\d+)$/;
const decimal = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const binary = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

export const quantityError =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/** Already the shortest spelling, told without arithmetic: the common case. */
const plain = /^[1-9]\d{0,2}(m|Ki|Mi|Gi|Ti|k|M|G)?$|^0$/;

/** Undefined when `text` is no quantity. */
export function canonicalQuantity(text: string): string | undefined {
  if (plain.test(text)) return text;
  const match = pattern.exec(text);
  if (!match) return undefined;
  const [, sign = '', digits = '', suffix = ''] = match;
  const [whole = '', fraction = ''] = digits.split('.');
  const mantissa = BigInt((whole || '0') + fraction);
  if (mantissa === 0n) return '0';
  const minus = sign === '-' ? '-' : '';
  const binaryPower = binary.indexOf(suffix);
  if (binaryPower > 0) {
    const scaled = mantissa * 1024n ** BigInt(binaryPower);
    const divisor = 10n ** BigInt(fraction.length);
    if (scaled % divisor === 0n) return minus + inBinary(scaled / divisor);
    return minus + inDecimal(mantissa * 1024n ** BigInt(binaryPower), -fraction.length);
  }
  if (/^[eE][+-]?\d/.test(suffix)) return minus + withExponent(mantissa, Number(suffix.slice(1)) - fraction.length);
  return minus + inDecimal(mantissa, (decimal.indexOf(suffix) - 3) * 3 - fraction.length);
}

/** Below 1024 a binary quantity is written in plain numbers, as upstream does. */
function inBinary(value: bigint): string {
  let power = 0;
  let left = value;
  while (power < binary.length - 1 && left % 1024n === 0n) {
    left /= 1024n;
    power++;
  }
  return `${left}${binary[power] ?? ''}`;
}

/** `value` times ten to the `exponent`, with the largest suffix that leaves a whole number; below nano it is rounded up. */
function inDecimal(value: bigint, exponent: number): string {
  let left = value;
  let power = exponent;
  while (power < -9) {
    left = (left + 9n) / 10n;
    power++;
  }
  while (left % 10n === 0n && left !== 0n) {
    left /= 10n;
    power++;
  }
  const step = Math.min(18, Math.floor(power / 3) * 3);
  return `${left * 10n ** BigInt(power - step)}${decimal[step / 3 + 3] ?? ''}`;
}

function withExponent(value: bigint, exponent: number): string {
  let left = value;
  let power = exponent;
  while (left % 10n === 0n) {
    left /= 10n;
    power++;
  }
  const step = Math.floor(power / 3) * 3;
  const digits = left * 10n ** BigInt(power - step);
  return step === 0 ? String(digits) : `${digits}e${step}`;
}
