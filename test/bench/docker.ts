import { execFileSync, spawnSync } from 'node:child_process';
import { loadavg, tmpdir } from 'node:os';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { dockerProgram } from '../harness/docker.ts';
import type { Row } from './report.ts';

const root = join(import.meta.dirname, '../..');
const runs = 3;

/** `drydock up --driver docker`: three workers in a fresh home, the node image cached by a run that is not counted. */
export async function dockerRows(): Promise<Row[]> {
  const { missing } = dockerProgram();
  if (missing !== undefined) {
    process.stderr.write(`Docker nodes are not measured: ${missing}\n`);
    return [];
  }
  for (const range of ['10.244.0.0/16', '10.96.0.0/16']) execFileSync('ip', ['route', 'replace', 'blackhole', range]);
  const load: number[] = [];
  const fresh: number[] = [];
  const again: number[] = [];
  for (let run = 0; run <= runs; run++) {
    process.stderr.write(`Docker lab ${run} of ${runs}\n`);
    const home = mkdtempSync(join(tmpdir(), 'drydock-bench-'));
    try {
      const first = upMs(home) / 1000;
      drydock('down', home);
      const second = upMs(home) / 1000;
      if (run === 0) continue;
      fresh.push(first);
      again.push(second);
      load.push(loadavg()[0] ?? NaN);
    } finally {
      drydock('down', home, '--delete');
      rmSync(home, { recursive: true, force: true });
    }
  }
  return [
    { what: '3 Docker workers Ready, image cached', values: fresh, unit: 's', goal: '10 s' },
    { what: '  the same lab again after down', values: again, unit: 's', goal: '' },
    { what: '  load of the machine meanwhile', values: load, unit: '', goal: '' },
  ];
}

function upMs(home: string): number {
  const startedMs = performance.now();
  drydock('up', home, '--driver', 'docker', '--workers', '3', '--ui-port', 'none', '--detach', '--json');
  return performance.now() - startedMs;
}

function drydock(command: string, home: string, ...flags: readonly string[]): void {
  const args = ['out/main/drydock.cjs', command, '--home', home, ...flags];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`drydock ${command} ended with ${String(status)}: ${stderr}`);
}
