import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';

const run = promisify(execFile);
const cgroupRoot = '/sys/fs/cgroup';

/**
 * Makes a fresh container into a node: mounts that pods can share, and a cgroup tree that can be written. The container has a
 * cgroup namespace of its own, so what it sees as the root is its own cgroup, limits and all.
 */
export async function prepareNode(context: Context): Promise<void> {
  // One shell: a process a mount would cost more than all mounts together. `bind` changes this mount only, for the file system
  // behind it is the host's and busy.
  const script = [
    'mount --make-rshared /',
    `awk '$2 ~ "^${cgroupRoot}(/|$)" { print $2 }' /proc/mounts | while read -r path; do mount -o remount,bind,rw "$path"; done`,
    'mkdir -p /etc/cni/net.d /var/lib/cni',
  ].join('\n');
  await run('sh', ['-e', '-c', script], { signal: context.signal });
  if (existsSync(join(cgroupRoot, 'cgroup.controllers'))) delegateUnified();
}

/**
 * cgroup v2 has no processes beside child groups: everything moves into a leaf, then the controllers are handed down. What
 * `docker exec` adds later follows process 1 into the leaf.
 */
function delegateUnified(): void {
  const leaf = join(cgroupRoot, 'init');
  mkdirSync(leaf, { recursive: true });
  for (const pid of readFileSync(join(cgroupRoot, 'cgroup.procs'), 'utf8').split('\n')) {
    if (pid === '') continue;
    try {
      writeFileSync(join(leaf, 'cgroup.procs'), pid);
    } catch (error) {
      // A process that ended meanwhile has no cgroup to leave.
      if (existsSync(`/proc/${pid}`)) throw error;
    }
  }
  const controllers = readFileSync(join(cgroupRoot, 'cgroup.controllers'), 'utf8').trim().split(' ');
  for (const controller of controllers) {
    if (controller !== '') writeFileSync(join(cgroupRoot, 'cgroup.subtree_control'), `+${controller}`);
  }
}

/** How long pods get to end when the node stops: a machine that goes down does not wait for slow ones. */
const podGraceMs = 2_000;

/** SIGTERM for every process of a pod, then a wait for them. What is left dies with the node. */
export async function stopPods(clock: Clock): Promise<void> {
  const context = Context.background();
  const endMs = clock.now() + podGraceMs;
  for (const pid of podProcesses()) {
    try {
      process.kill(pid, 'SIGTERM');
    } catch (error) {
      if (existsSync(`/proc/${pid}`)) throw error;
    }
  }
  while (podProcesses().length > 0 && clock.now() < endMs) await clock.sleep(context, 50);
}

/** Processes in the cgroups of pods. */
function podProcesses(): readonly number[] {
  const folder = [join(cgroupRoot, 'kubepods'), join(cgroupRoot, 'pids/kubepods')].find((path) => existsSync(path));
  if (folder === undefined) return [];
  return processesBelow(folder);
}

function processesBelow(folder: string): readonly number[] {
  const here = readLines(join(folder, 'cgroup.procs')).map(Number);
  return [...here, ...childGroups(folder).flatMap(processesBelow)];
}

function childGroups(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [join(folder, entry.name)] : [],
    );
  } catch {
    // The runtime removed the cgroup with its last process.
    return [];
  }
}

function readLines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    // The process or the cgroup is gone: it has nothing to say.
    return [];
  }
}
