import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Whether `pid` is a `node-agent fault`, not another program that was given the number later. */
export function isFault(processes: string, pid: string): boolean {
  if (!/^\d+$/.test(pid)) return false;
  try {
    const words = readFileSync(join(processes, pid, 'cmdline'), 'utf8').split('\0');
    return words[2] === 'fault';
  } catch {
    // No such process any more.
    return false;
  }
}
