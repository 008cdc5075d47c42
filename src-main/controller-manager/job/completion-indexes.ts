/**
 * A set of completion indexes, in the spelling of `status.completedIndexes` (release 1.36): runs of three and more are
 * joined, so {0, 1, 2, 5, 6} is `0-2,5,6`.
 */
export function formatIndexes(indexes: ReadonlySet<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length;) {
    let end = i;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end++;
    const [first, last] = [sorted[i] ?? 0, sorted[end] ?? 0];
    parts.push(end === i ? String(first) : end === i + 1 ? `${first},${last}` : `${first}-${last}`);
    i = end + 1;
  }
  return parts.join(',');
}

/** Reads what {@link formatIndexes} writes; indexes of `limit` and above are left out. */
export function parseIndexes(text: string | undefined, limit: number): ReadonlySet<number> {
  const indexes = new Set<number>();
  for (const part of (text ?? '').split(',')) {
    const [first, last] = part.split('-');
    if (!first) continue;
    for (let index = Number(first); index <= Number(last ?? first) && index < limit; index++) indexes.add(index);
  }
  return indexes;
}
