import type { SyncReport } from '../nftables/backend.ts';
import type { HttpAnswer } from './http.ts';
import type { ProxyHealth } from './proxy-health.ts';

/** Upper bounds in seconds, as upstream's: 1 ms doubling to 16 s. */
const bounds = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i);

/** A Prometheus histogram of seconds. */
class Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #counts = bounds.map(() => 0);
  #count = 0;
  #sum = 0;

  constructor(name: string, help: string) {
    this.#name = name;
    this.#help = help;
  }

  observe(seconds: number): void {
    bounds.forEach((bound, i) => {
      if (seconds <= bound) this.#counts[i] = (this.#counts[i] ?? 0) + 1;
    });
    this.#count++;
    this.#sum += seconds;
  }

  lines(): string[] {
    return [
      ...head(this.#name, 'histogram', this.#help),
      ...bounds.map((bound, i) => `${this.#name}_bucket{le="${bound}"} ${this.#counts[i] ?? 0}`),
      `${this.#name}_bucket{le="+Inf"} ${this.#count}`,
      `${this.#name}_sum ${this.#sum}`,
      `${this.#name}_count ${this.#count}`,
    ];
  }
}

const prefix = 'kubeproxy_sync';

/** The metrics of kube-proxy that Drydock keeps, under upstream's names (pkg/proxy/metrics, release 1.36). */
export class ProxyMetrics {
  readonly #all = new Histogram(`${prefix}_proxy_rules_duration_seconds`, 'Time to write rules.');
  readonly #full = new Histogram(`${prefix}_full_proxy_rules_duration_seconds`, 'Time to write all rules.');
  readonly #partial = new Histogram(`${prefix}_partial_proxy_rules_duration_seconds`, 'Time to write changed rules.');
  readonly #health: ProxyHealth;
  #failures = 0;
  #queuedMs = 0;
  #syncedMs = 0;

  constructor(health: ProxyHealth) {
    this.#health = health;
  }

  queued(nowMs: number): void {
    this.#queuedMs = nowMs;
  }

  synced({ kind, succeeded, durationMs }: SyncReport, nowMs: number): void {
    if (!succeeded) {
      this.#failures++;
      return;
    }
    this.#syncedMs = nowMs;
    this.#all.observe(durationMs / 1000);
    (kind === 'full' ? this.#full : this.#partial).observe(durationMs / 1000);
  }

  answer(path: string): HttpAnswer | undefined {
    const contentType = 'text/plain; charset=utf-8';
    if (path === '/proxyMode') return { status: 200, contentType, body: 'nftables' };
    if (path === '/metrics') return { status: 200, contentType: 'text/plain; version=0.0.4', body: this.#text() };
    return undefined;
  }

  #text(): string {
    const failures = `${prefix}_proxy_rules_nftables_sync_failures_total`;
    const queued = `${prefix}_proxy_rules_last_queued_timestamp_seconds`;
    const synced = `${prefix}_proxy_rules_last_timestamp_seconds`;
    const healthz = 'kubeproxy_proxy_healthz_total';
    const lines = [
      ...[this.#all, this.#full, this.#partial].flatMap((histogram) => histogram.lines()),
      ...[...head(failures, 'counter', 'Transactions the kernel did not take.'), `${failures} ${this.#failures}`],
      ...[...head(queued, 'gauge', 'When a change last arrived.'), `${queued} ${this.#queuedMs / 1000}`],
      ...[...head(synced, 'gauge', 'When rules were last written.'), `${synced} ${this.#syncedMs / 1000}`],
      ...head(healthz, 'counter', 'Answers of /healthz by status.'),
      ...[...this.#health.healthzTotal].map(([code, count]) => `${healthz}{code="${code}"} ${count}`),
    ];
    return `${lines.join('\n')}\n`;
  }
}

function head(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}
