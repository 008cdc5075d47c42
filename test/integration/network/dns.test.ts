import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { namespacesProgram, onPath, skipWithout } from '../../harness/programs.ts';
import { LabNet } from './lab-net.ts';

const busybox = onPath('busybox', 'apt-get install busybox-static');
const program = join(import.meta.dirname, 'dns-program.ts');
const resolvConf =
  'nameserver 192.168.5.2\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n';

/** What other programs make of our answers: glibc's resolver and busybox's. */
describe.skipIf(skipWithout(namespacesProgram, busybox))('cluster DNS in a real network', () => {
  const net = new LabNet('nwd');
  const folder = mkdtempSync(join(tmpdir(), 'drydock-dns-'));
  const conf = join(folder, 'resolv.conf');

  async function serve(short: string, ...command: string[]): Promise<void> {
    const child = net.spawn(short, process.execPath, ...command);
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`DNS of ${short} ended with ${String(code)}`)));
    });
  }

  /** As a pod's process runs: with the pod's own resolv.conf. */
  function inPod(...command: string[]): string {
    return net.run('pod', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', conf, ...command);
  }

  beforeAll(async () => {
    writeFileSync(conf, resolvConf);
    net.addLink('lan');
    for (const [short, ip] of [
      ['outside', '1'],
      ['dns', '2'],
      ['pod', '3'],
    ] as const) {
      net.addNamespace(short);
      net.attach(short, 'lan', `192.168.5.${ip}/24`);
    }
    await serve('dns', program, '192.168.5.1');
    await serve('outside', join(import.meta.dirname, 'outside-dns-program.ts'));
  });
  afterAll(() => {
    net.dispose();
    rmSync(folder, { recursive: true });
  });

  it('resolves short names through the search domains', () => {
    expect(inPod('getent', 'ahostsv4', 'web')).toMatch(/^10\.96\.0\.20\s+STREAM web\.shop\.svc\.cluster\.local/);
    expect(inPod('getent', 'ahostsv4', 'web.shop')).toContain('10.96.0.20');
    expect(inPod('busybox', 'nslookup', 'web.shop.svc.cluster.local')).toContain('Address: 10.96.0.20');
  });

  it('resolves addresses to names', () => {
    expect(inPod('getent', 'hosts', '10.96.0.20')).toContain('web.shop.svc.cluster.local');
  });

  it('answers by TCP what does not fit a datagram, which resolvers ask for by themselves', () => {
    const lines = inPod('getent', 'ahostsv4', 'many').trim().split('\n');
    expect(lines.filter((line) => line.includes('STREAM'))).toHaveLength(100);
  });

  it('passes names of the outside on, by UDP and by TCP', () => {
    expect(inPod('getent', 'ahostsv4', 'www.example.org')).toContain('203.0.113.9');
    const lines = inPod('getent', 'ahostsv4', 'large.example.org').trim().split('\n');
    expect(lines.filter((line) => line.includes('STREAM'))).toHaveLength(80);
  });

  it('says of unknown names that they do not exist', () => {
    expect(() => inPod('getent', 'ahostsv4', 'nothing.shop.svc.cluster.local')).toThrow();
    expect(() => inPod('getent', 'ahostsv4', 'unknown.example.org')).toThrow();
  });
});
