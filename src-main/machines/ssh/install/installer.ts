import { readFile } from 'node:fs/promises';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { MachineError } from '../../errors.ts';
import type { MachineProgress } from '../../machine.ts';
import type { MachineFacts, PackageManager, Requirement } from '../facts.ts';
import { sshPaths } from '../paths.ts';
import { lastWords, type RemoteShell } from '../remote-shell.ts';
import { makeOfflineArchive } from './offline-archive.ts';
import { packageNames, packageScripts } from './packages.ts';
import { baselineScript, parseRecord, readBaseline, type InstallRecord } from './record.ts';

export interface InstallOptions {
  readonly shell: RemoteShell;
  readonly onProgress: (progress: MachineProgress) => void;
  /** On this computer: a tar of packages, or of a root file system, for machines that reach no mirror. */
  readonly archive?: string;
}

const uploadFolder = `${sshPaths.agentState}/upload`;

/**
 * Installs what `facts` miss and records every addition before it is made, so that a removal knows of it whatever died
 * half-way. Throws MachineError MISSING when it cannot be had, FAILED with the package manager's words.
 */
export async function install(context: Context, facts: MachineFacts, options: InstallOptions): Promise<void> {
  const record = (await loadRecord(context, options.shell)) ?? (await makeRecord(context, facts, options.shell));
  if (facts.missing.length === 0) return;
  if (options.archive !== undefined) return installArchive(context, record, options.archive, facts, options);
  const manager = facts.packageManager;
  if (!manager) throw missing(facts.missing, 'it has no package manager that Drydock knows: name an archive');
  const names = packageNames(manager, facts.missing);
  options.onProgress({ text: `Asking the machine's mirrors for ${names.join(', ')}` });
  const plan = await options.shell.try(context, packageScripts[manager].plan, { args: names });
  if (plan.exitCode === 0) return installFromMirror(context, record, manager, names, words(plan.stdout), options);
  return installFromHere(context, record, facts, lastWords(plan), options);
}

async function installFromMirror(
  context: Context,
  record: InstallRecord,
  manager: PackageManager,
  names: readonly string[],
  added: readonly string[],
  options: InstallOptions,
): Promise<void> {
  const { shell } = options;
  const planned = await addToRecord(context, shell, record, { packages: added });
  const printed = await shell.run(context, packageScripts[manager].install, {
    args: names,
    onLine: progressLines(options, added.length),
    failure: `The machine's package manager (${manager}) failed`,
  });
  // rpm tells what came only afterwards.
  if (manager === 'dnf' || manager === 'zypper')
    await addToRecord(context, shell, planned, { packages: words(printed) });
}

/** The machine reaches no mirror: what it misses is fetched by this computer, when it is of the same kind. */
async function installFromHere(
  context: Context,
  record: InstallRecord,
  facts: MachineFacts,
  why: string,
  options: InstallOptions,
): Promise<void> {
  options.onProgress({ text: 'The machine reaches no mirror: fetching the packages with this computer' });
  let archive: Uint8Array;
  try {
    const status = await options.shell.run(context, 'cat /var/lib/dpkg/status', {
      failure: 'The machine has no list of Debian packages',
    });
    archive = await makeOfflineArchive(context, facts, status, packageNames('apt', facts.missing));
  } catch (error) {
    context.check();
    throw missing(facts.missing, `its package manager says: ${why}; and here: ${messageOf(error)}. Name an archive`);
  }
  await installBytes(context, record, archive, facts, options);
}

async function installArchive(
  context: Context,
  record: InstallRecord,
  path: string,
  facts: MachineFacts,
  options: InstallOptions,
): Promise<void> {
  let archive: Uint8Array;
  try {
    archive = await readFile(path);
  } catch (error) {
    throw new MachineError('INVALID', `The archive cannot be read: ${messageOf(error)}`, { cause: error });
  }
  await installBytes(context, record, archive, facts, options);
}

async function installBytes(
  context: Context,
  record: InstallRecord,
  content: Uint8Array,
  facts: MachineFacts,
  options: InstallOptions,
): Promise<void> {
  const { shell, onProgress } = options;
  const tar = `${uploadFolder}/archive.tar`;
  onProgress({ text: `Uploading ${Math.ceil(content.byteLength / 1024 ** 2)} MiB` });
  await shell.write(context, { path: tar, content, mode: 0o600 });
  try {
    const listed = await shell.run(context, 'tar -tf "$1"', { args: [tar], failure: 'The archive is no tar file' });
    const isPackages = /\.(deb|rpm|apk)$/m.test(listed);
    if (isPackages) await installPackageFiles(context, record, tar, facts, options);
    else await installRootFiles(context, record, tar, options);
  } finally {
    await shell.try(context, `rm -rf ${uploadFolder}`);
  }
}

async function installPackageFiles(
  context: Context,
  record: InstallRecord,
  tar: string,
  facts: MachineFacts,
  options: InstallOptions,
): Promise<void> {
  const { shell } = options;
  const manager = facts.packageManager;
  if (!manager) throw missing(facts.missing, 'the archive holds packages, and the machine has no package manager');
  const folder = `${uploadFolder}/files`;
  const scripts = packageScripts[manager];
  await shell.run(context, 'mkdir -p "$2" && tar -xf "$1" -C "$2"', {
    args: [tar, folder],
    failure: 'The archive could not be unpacked',
  });
  const failure = 'The packages of the archive cannot be read';
  const planned = await shell.run(context, scripts.planFiles, { args: [folder], failure });
  const pairs = planned
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' '));
  const names = pairs.map(([name = '']) => name);
  await addToRecord(context, shell, record, { packages: names });
  await shell.run(context, scripts.installFiles, {
    args: pairs.map(([, file = '']) => file),
    onLine: progressLines(options, names.length),
    failure: 'The packages of the archive were not installed',
  });
}

/** Only files that are not there: nothing of the machine's is replaced. */
async function installRootFiles(
  context: Context,
  record: InstallRecord,
  tar: string,
  options: InstallOptions,
): Promise<void> {
  const { shell } = options;
  options.onProgress({ text: 'Unpacking the archive' });
  const list = `${uploadFolder}/list`;
  const plan =
    'tar -tf "$1" | while read -r path; do [ -e "/$path" ] || [ -L "/$path" ] || printf "%s\\n" "$path"; done | tee "$2"';
  const failure = 'The archive could not be unpacked';
  const printed = await shell.run(context, plan, { args: [tar, list], failure });
  const files = printed
    .split('\n')
    .filter((line) => line !== '')
    .map((path) => `/${path.replace(/^\.?\//, '')}`);
  await addToRecord(context, shell, record, { files });
  await shell.run(context, '[ ! -s "$2" ] || tar -xf "$1" -C / --no-recursion -T "$2"', { args: [tar, list], failure });
}

async function makeRecord(context: Context, facts: MachineFacts, shell: RemoteShell): Promise<InstallRecord> {
  const text = await shell.run(context, baselineScript, { failure: 'The machine could not be examined' });
  const record = readBaseline(text, facts.packageManager);
  await saveRecord(context, shell, record);
  return record;
}

export async function loadRecord(context: Context, shell: RemoteShell): Promise<InstallRecord | undefined> {
  const { stdout, exitCode } = await shell.try(context, `cat ${sshPaths.record}`);
  return exitCode === 0 ? parseRecord(stdout) : undefined;
}

async function addToRecord(
  context: Context,
  shell: RemoteShell,
  record: InstallRecord,
  more: { readonly packages?: readonly string[]; readonly files?: readonly string[] },
): Promise<InstallRecord> {
  const packages = [...new Set([...record.packages, ...(more.packages ?? [])])];
  const files = [...new Set([...record.files, ...(more.files ?? [])])];
  const next = { ...record, packages, files };
  await saveRecord(context, shell, next);
  return next;
}

function saveRecord(context: Context, shell: RemoteShell, record: InstallRecord): Promise<void> {
  const content = new TextEncoder().encode(`${JSON.stringify(record, undefined, 2)}\n`);
  return shell.write(context, { path: sshPaths.record, content, mode: 0o600 });
}

/** What package managers say, as steps: each package is unpacked and set up once. */
function progressLines(options: InstallOptions, packages: number): (line: string) => void {
  let steps = 0;
  return (line) => {
    if (!/^(Get:|Unpacking |Setting up |\(\d+\/\d+\) |Installing)/.test(line)) return;
    if (!line.startsWith('Get:')) steps++;
    const fraction = packages > 0 ? Math.min(1, steps / (2 * packages)) : 0;
    options.onProgress({ text: line.slice(0, 100), fraction });
  };
}

function missing(what: readonly Requirement[], why: string): MachineError {
  return new MachineError('MISSING', `The machine misses ${what.join(', ')} and ${why}`);
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
