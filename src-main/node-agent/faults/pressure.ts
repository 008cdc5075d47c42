import { spawn, type ChildProcess } from 'node:child_process';
import type { Context } from '#base/context';
import type { NodeFault } from '#machines/faults';
import { UnsupportedFaultError, type AppliedFault, type FaultTools } from './applied.ts';

type Of<K extends NodeFault['kind']> = Extract<NodeFault, { kind: K }>;

/** Holds memory that is really used: every page is written to, in a process of its own that the kernel may choose to kill. */
export async function pressMemory(context: Context, _tools: FaultTools, fault: Of<'memory'>): Promise<AppliedFault> {
  const script = `
    const size = ${Math.floor(fault.bytes)}, step = 16 * 1024 * 1024, held = [];
    for (let taken = 0; taken < size; taken += step) held.push(Buffer.alloc(Math.min(step, size - taken), 1));
    process.stdout.write('held');
    process.stdin.resume().on('end', () => process.exit(held.length && 0));
  `;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'ignore'] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (_code, signal) => {
      reject(new UnsupportedFaultError(`the kernel ended the process that takes memory (${signal ?? 'exit'})`));
    });
    context.onEnd(() => child.kill('SIGKILL'));
  });
  return { text: `${Math.round(fault.bytes / 1024 ** 2)} MiB of memory are taken`, heal: () => endAll([child]) };
}

export async function pressCpu(_context: Context, _tools: FaultTools, fault: Of<'cpu'>): Promise<AppliedFault> {
  const spin = ['-c', 'while :; do :; done'];
  const children = Array.from({ length: Math.ceil(fault.cores) }, () => spawn('/bin/sh', spin, { stdio: 'ignore' }));
  return {
    text: `busy loops keep ${children.length === 1 ? 'a core' : `${children.length} cores`} busy`,
    heal: () => endAll(children),
  };
}

export async function pressPids(_context: Context, _tools: FaultTools, fault: Of<'pids'>): Promise<AppliedFault> {
  const children: ChildProcess[] = [];
  let failed = false;
  for (let i = 0; i < fault.count && !failed; i++) {
    const child = spawn('/bin/sleep', ['86400'], { stdio: 'ignore' });
    child.once('error', () => (failed = true));
    if (child.pid !== undefined) children.push(child);
  }
  return {
    text: `${children.length} processes more than before are there${failed ? ': the kernel gave no more' : ''}`,
    heal: () => endAll(children),
  };
}

async function endAll(children: readonly ChildProcess[]): Promise<void> {
  const ended = children.map(
    (child) =>
      new Promise<void>((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) resolve();
        else child.once('exit', () => resolve());
      }),
  );
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(ended);
}
