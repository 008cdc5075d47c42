/** One line of the table that a benchmark prints. */
export interface Row {
  readonly what: string;
  readonly values: readonly number[];
  readonly unit: string;
  /** Empty where there is none. */
  readonly goal: string;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

export function print(rows: readonly Row[]): void {
  const format = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1));
  const cells = rows.map((row) => [
    row.what,
    `${format(median(row.values))} ${row.unit}`,
    row.values.length > 1 ? `${format(Math.min(...row.values))}-${format(Math.max(...row.values))}` : '',
    row.goal,
  ]);
  const table = [['', 'median', 'range', 'goal'], ...cells];
  const widths = [0, 1, 2, 3].map((i) => Math.max(...table.map((line) => (line[i] ?? '').length)));
  for (const line of table)
    process.stdout.write(
      `${line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    );
}
