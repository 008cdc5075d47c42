/**
 * `npm run bench [-- PART…]`: what the README promises, measured in one run. Runs that are compared are interleaved; every figure is a
 * median with its spread. Sends traffic to 127.0.0.1 only and ends by itself.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { DeploymentFigures } from './deployment.ts';
import { createsPerSecond } from './creates.ts';
import { dockerRows } from './docker.ts';
import { etcdRows } from './etcd/run.ts';
import { kubeProxyRows } from './kube-proxy.ts';
import { median, print, type Row } from './report.ts';
import { storeWindowRows } from './store-window.ts';

const root = join(import.meta.dirname, '../..');
const cache = join(root, 'node_modules/.cache/drydock/bench');

interface RunningHost {
  readonly child: ChildProcess;
  readonly home: string;
  readonly kubeconfig: string;
  readonly readyMs: number;
}

/** `drydock up` in a fresh home, in the foreground; resolves when it printed that every node is Ready. */
function startHost(): Promise<RunningHost> {
  const home = mkdtempSync(join(tmpdir(), 'drydock-bench-'));
  const startedMs = performance.now();
  const args = ['out/main/drydock.cjs', 'up', '--json', '--ui-port', 'none', '--home', home];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let text = '';
    let messages = '';
    child.stderr.on('data', (chunk: Buffer) => (messages += chunk.toString('utf8')));
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (!text.includes('\n')) return;
      const { kubeconfig } = JSON.parse(text) as { kubeconfig: string };
      resolve({ child, home, kubeconfig, readyMs: performance.now() - startedMs });
    });
    child.on('exit', (code) => reject(new Error(`drydock up ended with ${String(code)}:\n${messages}`)));
  });
}

async function stopHost({ child, home }: RunningHost): Promise<void> {
  child.removeAllListeners('exit');
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  rmSync(home, { recursive: true, force: true });
}

/** Resident memory in megabytes. */
function residentMb(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes ?? 0) / 1024;
}

async function bundle(name: string): Promise<string> {
  const outfile = join(cache, `${name}.mjs`);
  await build({
    entryPoints: [join(root, 'test/bench', `${name}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    external: ['lmdb', 'just-bash', '@grpc/grpc-js'],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'error',
  });
  return outfile;
}

/** Runs a child that prints one JSON line with its figures. */
function runChild(file: string): Promise<DeploymentFigures> {
  const child = spawn(process.execPath, [file], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    child.on('exit', () => {
      const line = text.trim().split('\n').pop() ?? '';
      if (line.startsWith('{')) resolve(JSON.parse(line) as DeploymentFigures);
      else reject(new Error(`${file} printed no figures`));
    });
  });
}

const idleBeforeMemoryMs = 10_000;
const startRuns = 5;
const comparisonRuns = 3;

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function hostRows(): Promise<Row[]> {
  const ready: number[] = [];
  const memory: number[] = [];
  const one: number[] = [];
  const many: number[] = [];
  for (let i = 0; i < startRuns; i++) {
    say(`host ${i + 1} of ${startRuns}`);
    const host = await startHost();
    ready.push(host.readyMs / 1000);
    if (i < comparisonRuns) {
      await new Promise((resolve) => setTimeout(resolve, idleBeforeMemoryMs));
      memory.push(residentMb(host.child.pid ?? 0));
      one.push(await createsPerSecond(host.kubeconfig, 1, 3_000));
      many.push(await createsPerSecond(host.kubeconfig, 64, 5_000));
    }
    await stopHost(host);
  }
  return [
    { what: 'up to 3 Ready nodes', values: ready, unit: 's', goal: '2 s' },
    { what: 'host memory, idle', values: memory, unit: 'MB', goal: '150 MB' },
    { what: 'durable creates, 1 in flight', values: one, unit: '/s', goal: '300/s' },
    { what: 'durable creates, 64 in flight', values: many, unit: '/s', goal: '2000/s' },
  ];
}

async function deploymentRows(): Promise<Row[]> {
  const drydockChild = await bundle('drydock-deployment');
  const webernetesChild = await bundle('webernetes-deployment');
  const drydock: DeploymentFigures[] = [];
  const webernetes: DeploymentFigures[] = [];
  for (let i = 0; i < comparisonRuns; i++) {
    say(`deployment ${i + 1} of ${comparisonRuns}`);
    drydock.push(await runChild(drydockChild));
    webernetes.push(await runChild(webernetesChild));
  }
  const seconds = (runs: readonly DeploymentFigures[]): number[] => runs.map((run) => run.readyMs / 1000);
  const stalls = (runs: readonly DeploymentFigures[]): number[] => runs.map((run) => run.longestStallMs);
  const ratio = median(seconds(webernetes)) / median(seconds(drydock));
  return [
    { what: '500 replicas Ready on 3 nodes', values: seconds(drydock), unit: 's', goal: '5 s' },
    { what: '  longest event-loop stall', values: stalls(drydock), unit: 'ms', goal: '50 ms' },
    { what: '500 replicas Ready in webernetes', values: seconds(webernetes), unit: 's', goal: '' },
    { what: '  longest event-loop stall', values: stalls(webernetes), unit: 'ms', goal: '' },
    { what: '  times as long as Drydock', values: [ratio], unit: 'x', goal: '' },
  ];
}

const parts: Readonly<Record<string, () => Promise<Row[]>>> = {
  host: hostRows,
  deployment: deploymentRows,
  'kube-proxy': kubeProxyRows,
  docker: dockerRows,
  etcd: etcdRows,
  'store-window': storeWindowRows,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in parts));
if (unknown.length > 0) {
  say(`unknown: ${unknown.join(', ')}; there are: ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}
const rows: Row[] = [];
for (const [name, measure] of Object.entries(parts))
  if (wanted.length === 0 || wanted.includes(name)) rows.push(...(await measure()));
print(rows);
