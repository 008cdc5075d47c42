/** 0 to 5 for a count of one column: each level is about four times the one before, so that quiet and loud are both seen. */
export function heatLevel(count: number): 0 | 1 | 2 | 3 | 4 | 5 {
  if (count <= 0) return 0;
  if (count <= 1) return 1;
  if (count <= 5) return 2;
  if (count <= 20) return 3;
  return count <= 100 ? 4 : 5;
}
