/** One line of the table that a benchmark prints. */
export interface Row {
  readonly what: string;
  readonly values: readonly number[];
  readonly unit: string;
  /** Empty where there is none. */
  readonly goal: string;
  /** The same measured on the program it is compared with, interleaved. */
  readonly against?: readonly number[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

const format = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

export function print(rows: readonly Row[]): void {
  const isCompared = rows.some((row) => row.against);
  /** What it was compared with, and how many times as much ours is. */
  const against = (row: Row): string[] => {
    if (!isCompared) return [];
    if (!row.against) return ['', ''];
    return [`${format(median(row.against))} ${row.unit}`, `${format(median(row.values) / median(row.against))}x`];
  };
  const cells = rows.map((row) => [
    row.what,
    `${format(median(row.values))} ${row.unit}`,
    row.values.length > 1 ? `${format(Math.min(...row.values))}-${format(Math.max(...row.values))}` : '',
    ...against(row),
    row.goal,
  ]);
  const compared = isCompared ? ['compared', 'times'] : [];
  const table = [['', 'median', 'range', ...compared, 'goal'], ...cells];
  const widths = [0, 1, 2, 3, 4, 5].map((i) => Math.max(...table.map((line) => (line[i] ?? '').length)));
  for (const line of table)
    process.stdout.write(
      `${line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    );
}
