/** Prometheus' text format (version 0.0.4), as far as `/metrics` needs it. */

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface HistogramSample {
  readonly labels: Labels;
  /** Observations per bucket, not summed up, with one more than there are bounds for those beyond the last. */
  readonly buckets: readonly number[];
  readonly sum: number;
  readonly count: number;
}

export type MetricFamily =
  | {
      readonly name: string;
      readonly help: string;
      readonly type: 'counter' | 'gauge';
      readonly samples: readonly Sample[];
    }
  | {
      readonly name: string;
      readonly help: string;
      readonly type: 'histogram';
      readonly bounds: readonly number[];
      readonly samples: readonly HistogramSample[];
    };

export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores';

export function formatMetrics(families: readonly MetricFamily[]): string {
  return families.map(formatFamily).join('');
}

function formatFamily(family: MetricFamily): string {
  const { name, help, type } = family;
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
  if (family.type === 'histogram')
    for (const sample of family.samples) lines.push(...histogramLines(name, family.bounds, sample));
  else
    for (const { labels, value } of family.samples) lines.push(`${name}${formatLabels(labels)} ${formatNumber(value)}`);
  return `${lines.join('\n')}\n`;
}

function histogramLines(
  name: string,
  bounds: readonly number[],
  { labels, buckets, sum, count }: HistogramSample,
): readonly string[] {
  let below = 0;
  const lines = bounds.map((bound, index) => {
    below += buckets[index] ?? 0;
    return `${name}_bucket${formatLabels({ ...labels, le: formatNumber(bound) })} ${below}`;
  });
  lines.push(`${name}_bucket${formatLabels({ ...labels, le: '+Inf' })} ${count}`);
  return [
    ...lines,
    `${name}_sum${formatLabels(labels)} ${formatNumber(sum)}`,
    `${name}_count${formatLabels(labels)} ${count}`,
  ];
}

function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escape(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escape(value: string): string {
  return value.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}

function formatNumber(value: number): string {
  return Number.isInteger(value) && Math.abs(value) >= 1e21 ? value.toExponential() : String(value);
}
