import type { IntOrString } from '#api/gen/types';

/**
 * A count, or a share of `total` like `25%` (`intstr.GetScaledValueFromIntOrPercent`, release 1.36). Text that is neither
 * counts as `0`: validation does not let it in.
 */
export function scaledValue(value: IntOrString | undefined, total: number, round: 'up' | 'down', absent = 0): number {
  if (value === undefined) return absent;
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(value)?.[1];
  if (percent === undefined) return 0;
  const share = (Number(percent) * total) / 100;
  return round === 'up' ? Math.ceil(share) : Math.floor(share);
}
