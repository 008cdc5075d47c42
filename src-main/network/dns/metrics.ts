const names: Readonly<Record<number, string>> = {
  0: 'NOERROR',
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  5: 'REFUSED',
};

/** Answers counted by response code, in Prometheus' text format under CoreDNS' name for them. */
export function dnsMetrics(answered: ReadonlyMap<number, number>): string {
  const lines = [
    '# HELP coredns_dns_responses_total Counter of response status codes.',
    '# TYPE coredns_dns_responses_total counter',
  ];
  for (const [code, count] of answered)
    lines.push(`coredns_dns_responses_total{server="dns://:53",zone=".",rcode="${names[code] ?? code}"} ${count}`);
  return `${lines.join('\n')}\n`;
}
