import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { formatLogEntry, SinkLogger, type Logger } from '#base/logger';
import { ClusterError } from '#cluster/errors';
import { Home, resolveHome } from '#cluster/home';
import type { Installation } from '#host/drivers';
import { guardCommand, runFaultGuard } from '#host/fault-guard';
import { labKubeconfigPath } from '#cluster/lab-kubeconfig';
import { detachedVariable, report, ReportingProgress, upDetached } from './detached.ts';
import { commandSpecs, findCommand, renderOverview } from './commands.ts';
import { down } from './down.ts';
import { withRunningHost } from './host-access.ts';
import { runMaster } from './masters.ts';
import { addNode, decodeNodeAdd } from './nodes.ts';
import { parseCommandLine, renderHelp, UsageError, type Arguments } from './options.ts';
import { processTerminal, type Terminal } from './output.ts';
import { createProgress } from './progress.ts';
import { runFault } from './run-fault.ts';
import { runEtcd } from './etcd.ts';
import { runSnapshot } from './snapshots.ts';
import { labStatus, listLabs, renderLabs, renderStatus } from './reports.ts';
import { followTask } from './tasks.ts';
import { decodeUp, up, type RunningUp, type UpFacts } from './up.ts';

const exitFailure = 1;
const exitUsage = 2;

/** The command line. Resolves with the exit code; never rejects: what goes wrong is one line on stderr. */
export async function runDrydock(
  args: readonly string[],
  installation: Installation,
  terminal: Terminal = processTerminal,
): Promise<number> {
  try {
    return await dispatch(args, installation, terminal);
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.error(`drydock: ${error.message} (see 'drydock ${commandNameOf(args)}--help')`);
      return exitUsage;
    }
    const [line] = messageOf(error).split('\n');
    terminal.error(`drydock: ${line ?? 'failed'}`);
    return exitFailure;
  }
}

function commandNameOf(args: readonly string[]): string {
  const found = findCommand(args);
  return found ? `${found.spec.name} ` : '';
}

async function dispatch(args: readonly string[], installation: Installation, terminal: Terminal): Promise<number> {
  if (args[0] === guardCommand) {
    await runFaultGuard(createLogger('info'));
    return 0;
  }
  const found = findCommand(args);
  if (!found) {
    if (args.length === 0 || args[0] === '--help' || args[0] === '-h' || args[0] === 'help') {
      terminal.out(renderOverview());
      return 0;
    }
    const group = commandSpecs.filter((spec) => spec.name.startsWith(`${args[0] ?? ''} `));
    if (group.length > 0 && args.includes('--help')) {
      terminal.out(group.map(renderHelp).join('\n\n'));
      return 0;
    }
    const known =
      group.length > 0 ? `expected ${group.map((spec) => spec.name).join(', ')}` : `unknown command '${args[0] ?? ''}'`;
    throw new UsageError(known);
  }
  const parsed = parseCommandLine(found.spec, found.rest);
  if (parsed.help) {
    terminal.out(renderHelp(found.spec));
    return 0;
  }
  if (found.spec.name === 'up') return runUp(parsed, args, installation, terminal);
  return runCommand(found.spec.name, parsed, installation, terminal);
}

async function runCommand(
  name: string,
  args: Arguments,
  installation: Installation,
  terminal: Terminal,
): Promise<number> {
  const home = new Home(resolveHome(args.text('home')));
  const lab = args.text('name') ?? 'lab';
  switch (name) {
    case 'down':
      terminal.error(await down(home, lab, removalOf(args), installation, createLogger('warn')));
      return 0;
    case 'list': {
      const labs = await listLabs(home);
      terminal.out(args.flag('json') ? JSON.stringify(labs, null, 2) : renderLabs(labs));
      return 0;
    }
    case 'status':
      return runStatus(home, lab, args, terminal);
    case 'kubeconfig':
      terminal.out(readKubeconfig(home, lab).trimEnd());
      return 0;
    case 'master list':
    case 'master kill':
    case 'master start':
      return runMaster(name.replace('master ', ''), home, lab, args, terminal);
    case 'etcd list':
    case 'etcd kill':
    case 'etcd start':
      return runEtcd(name.replace('etcd ', ''), home, lab, args, terminal);
    case 'node add':
      return runNodeAdd(home, lab, args, terminal);
    case 'image load':
      return runImageLoad(home, lab, args.positionals[0] ?? '', terminal);
    case 'snapshot save':
    case 'snapshot restore':
    case 'snapshot show':
      return runSnapshot(name.replace('snapshot ', ''), home, args, terminal);
    case 'fault add':
    case 'fault list':
    case 'fault heal':
      return runFault(name.replace('fault ', ''), home, lab, args, terminal);
    default:
      return runNode(name.replace('node ', ''), home, lab, args.positionals[0] ?? '', terminal);
  }
}

function removalOf(args: Arguments): 'keep' | 'delete' | 'force' {
  if (!args.flag('delete')) {
    if (args.flag('force')) throw new UsageError('--force goes with --delete');
    return 'keep';
  }
  return args.flag('force') ? 'force' : 'delete';
}

async function runStatus(home: Home, lab: string, args: Arguments, terminal: Terminal): Promise<number> {
  const status = await labStatus(home, lab);
  if (!status)
    throw new ClusterError(
      'LAB_MISSING',
      `there is no lab ${lab} in ${home.path}; create it with 'drydock up --name ${lab}'`,
    );
  terminal.out(args.flag('json') ? JSON.stringify(status, null, 2) : renderStatus(status));
  return 0;
}

function readKubeconfig(home: Home, lab: string): string {
  try {
    return readFileSync(labKubeconfigPath(home.labFolder(lab)), 'utf8');
  } catch (error) {
    throw new ClusterError(
      'LAB_MISSING',
      `lab ${lab} has no kubeconfig in ${home.path}; create the lab with 'drydock up --name ${lab}'`,
      { cause: error },
    );
  }
}

async function runNode(verb: string, home: Home, lab: string, node: string, terminal: Terminal): Promise<number> {
  await withRunningHost(home, lab, async (host) => {
    if (verb === 'kill') await host.call('node.kill', { lab, node });
    else if (verb === 'start') await host.call('node.start', { lab, node });
    else await host.call('node.delete', { lab, node });
  });
  const words: Readonly<Record<string, string>> = {
    kill: 'killed',
    start: 'started and Ready',
    delete: 'deleted',
  };
  terminal.error(`node ${node} ${words[verb] ?? verb}`);
  return 0;
}

async function runNodeAdd(home: Home, lab: string, args: Arguments, terminal: Terminal): Promise<number> {
  const request = decodeNodeAdd(lab, args.positionals[0] ?? '', args);
  const progress = createProgress(process.stderr, new RealClock());
  const node = await withRunningHost(home, lab, (host) => addNode(host, request, args, progress));
  terminal.error(`node ${node} added and Ready`);
  return 0;
}

/** A name that is also a file is the file: a path says so more plainly than a name. */
async function runImageLoad(home: Home, lab: string, what: string, terminal: Terminal): Promise<number> {
  const source = /[/.]/.test(what) && existsSync(what) ? { file: resolve(what) } : { name: what };
  const progress = createProgress(process.stderr, new RealClock());
  await withRunningHost(home, lab, (host) =>
    followTask(host, lab, 'image-load', progress, () => host.call('image.load', { lab, source })),
  );
  terminal.error(`${what} is on every node that takes images`);
  return 0;
}

async function runUp(
  args: Arguments,
  line: readonly string[],
  installation: Installation,
  terminal: Terminal,
): Promise<number> {
  const request = decodeUp(args);
  const isDetachedHost = process.env[detachedVariable] === '1';
  const clock = new RealClock();
  if (args.flag('detach') && !isDetachedHost) {
    const facts = await upDetached(line, request.home, createProgress(process.stderr, clock));
    terminal.out(renderFacts(facts, args.flag('json')));
    noteSharedStore(facts, terminal);
    return 0;
  }
  const progress = isDetachedHost ? new ReportingProgress() : createProgress(process.stderr, clock);
  const interruption = untilInterrupted();
  let running: RunningUp;
  try {
    running = await up(interruption, request, installation, createLogger(isDetachedHost ? 'info' : 'warn'), progress);
  } catch (error) {
    if (isDetachedHost) report({ type: 'failed', message: messageOf(error) });
    throw error;
  }
  if (isDetachedHost) report({ type: 'ready', facts: running.facts });
  else {
    terminal.out(renderFacts(running.facts, args.flag('json')));
    noteSharedStore(running.facts, terminal);
    if (!args.flag('json')) terminal.error('Ctrl-C stops the lab; everything in it is kept.');
  }
  await untilOver(interruption, running);
  return 0;
}

/** Ends with the first signal that asks this process to end. The next one of its kind ends it at once. */
function untilInterrupted(): Context {
  const { context, cancel } = Context.background().withCancel();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, cancel);
  return context;
}

function renderFacts(facts: UpFacts, json: boolean): string {
  if (json) return JSON.stringify(facts);
  return [
    `server      ${facts.server}`,
    `kubeconfig  ${facts.kubeconfig}`,
    `ui          ${facts.uiUrl ?? 'none'}`,
    '',
    `kubectl --kubeconfig ${facts.kubeconfig} get nodes`,
  ].join('\n');
}

/** Several masters over one store are not what people mean by a cluster that survives anything: say what is there. */
function noteSharedStore({ masters, store }: UpFacts, terminal: Terminal): void {
  if (masters === 1 || store !== 'embedded') return;
  terminal.error(
    `The ${masters} masters share the embedded store, which is one process; a lab made with --etcd local:3 has three real etcd members.`,
  );
}

/** Lives until `interruption` ends, whatever its labs do meanwhile; then takes everything down in order. */
async function untilOver(interruption: Context, running: RunningUp): Promise<void> {
  await new Promise<void>((resolve) => interruption.onEnd(resolve));
  await running.stop();
}

export function createLogger(level: 'info' | 'warn'): Logger {
  return new SinkLogger(
    new RealClock(),
    (entry) => process.stderr.write(`${formatLogEntry(entry)}\n`),
    level,
    'drydock',
  );
}
