import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeEtcdCertificates } from '../../harness/etcd-certificates.ts';
import type { Row } from '../report.ts';
import { fillRange, memoryLoad, nativeLoad, nodeLoad, rangeLoad, watchLoad, type Figures } from './measures.ts';
import { StoreProcess } from './stores.ts';

const rounds = 3;

/** What is measured, with its unit. Of times and memory less is better, of rates more. */
const units: Readonly<Record<string, 'ms' | '/s' | 'MB'>> = {
  'sequential put, p50': 'ms',
  'sequential put, p99': 'ms',
  'puts, 64 in flight (Node)': '/s',
  'puts, 64 in flight (h2load)': '/s',
  'puts, 256 in flight (h2load)': '/s',
  'compare-and-swap, 64 in flight (h2load)': '/s',
  'gets, 64 in flight (h2load)': '/s',
  'range of 10,000 keys': 'ms',
  'put to watch event, p50': 'ms',
  'put to watch event, p99': 'ms',
  'events to 100 watches': '/s',
  'memory with 100,000 keys of 1 KB': 'MB',
  '  without mapped files': 'MB',
  'restart with them': 'ms',
  'memory after the restart': 'MB',
  '  without mapped files, after': 'MB',
};

const inProcessGoals: Readonly<Record<string, readonly [unit: string, goal: string]>> = {
  'sequential put, p50': ['ms', "an LMDB commit's"],
  'puts, 64 in flight': ['/s', '40000/s'],
  'puts, 256 in flight': ['/s', ''],
  'commit to watch event, p50': ['ms', '0.2 ms'],
  'range of 10,000 keys': ['ms', '30 ms'],
  'reopen 100,000 keys of 1 KB': ['ms', '1000 ms'],
  '  memory then': ['MB', '150 MB'],
};

const say = (text: string): void => void process.stderr.write(`${text}\n`);

/**
 * The embedded store beside Debian's etcd: both behind a TLS port in a process of their own, on the same disk, loaded by the
 * same clients in turn. Then the embedded store in process.
 */
export async function etcdRows(): Promise<Row[]> {
  const missing = ['etcd', 'h2load', 'openssl'].filter((name) => spawnSync(name, ['--version']).error !== undefined);
  if (missing.length > 0) {
    say(`etcd is not measured: ${missing.join(', ')} missing (Debian: etcd-server, nghttp2-client, openssl)`);
    return [];
  }
  const directory = mkdtempSync(join(tmpdir(), 'drydock-bench-'));
  try {
    makeEtcdCertificates(directory);
    return [...(await comparedRows(directory)), ...inProcessRows(directory)];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function comparedRows(directory: string): Promise<Row[]> {
  const etcd = await StoreProcess.start('etcd', directory);
  const embedded = await StoreProcess.start('embedded', directory);
  const stores = [etcd, embedded] as const;
  const seen = { etcd: [] as Figures[], embedded: [] as Figures[] };
  try {
    for (const store of stores) await fillRange(store);
    for (let round = 1; round <= rounds; round++) {
      for (const store of stores) {
        say(`etcd: round ${round} of ${rounds}, ${store.name}`);
        const figures = await measure(store, directory, round);
        seen[store.name].push(figures);
      }
    }
    for (const store of stores) {
      say(`etcd: 100,000 keys, ${store.name}`);
      seen[store.name].push(await memoryLoad(store));
    }
  } finally {
    for (const store of stores) await store.stop();
  }
  const valuesOf = (figures: readonly Figures[], what: string): number[] =>
    figures.flatMap((round) => round[what] ?? []);
  return Object.entries(units).map(([what, unit]) => {
    const [values, against] = [valuesOf(seen.embedded, what), valuesOf(seen.etcd, what)];
    return { what, unit, values, against, goal: unit === '/s' ? '1x or more' : '1x or less' };
  });
}

async function measure(store: StoreProcess, directory: string, round: number): Promise<Figures> {
  return {
    ...(await nodeLoad(store, round)),
    ...(await nativeLoad(store, directory, round)),
    ...(await rangeLoad(store)),
    ...(await watchLoad(store, round)),
  };
}

function inProcessRows(directory: string): Row[] {
  const seen: Figures[] = [];
  const run = (mode: string, data: string): void => {
    const path = join(directory, data);
    mkdirSync(path, { recursive: true });
    const entry = join(import.meta.dirname, 'in-process.ts');
    const text = execFileSync(process.execPath, ['--no-warnings', entry, mode, path], { encoding: 'utf8' });
    seen.push(JSON.parse(text) as Figures);
  };
  run('fill', 'filled');
  for (let round = 1; round <= rounds; round++) {
    say(`etcd: in process, round ${round} of ${rounds}`);
    run('load', `in-process-${round}`);
    run('reopen', 'filled');
  }
  return Object.entries(inProcessGoals).map(([name, [unit, goal]]) => ({
    what: `in process: ${name.trim()}`,
    values: seen.flatMap((figures) => figures[name] ?? []),
    unit,
    goal,
  }));
}
