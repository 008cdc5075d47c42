import { readTextFile } from './files.ts';

/** A process by its id and its start, as ids are given again. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Empty where the system does not tell, and then the id alone counts. */
  readonly startedAt: string;
}

export function processIdentity(pid: number): ProcessIdentity {
  return { pid, startedAt: processFacts(pid).startedAt };
}

/** Whether it has not ended yet. */
export function isAlive(one: ProcessIdentity): boolean {
  try {
    process.kill(one.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const { startedAt, dead } = processFacts(one.pid);
  return !dead && one.startedAt === startedAt;
}

/** Reads what {@link formatIdentity} wrote. */
export function parseIdentity(text: string | undefined): ProcessIdentity | undefined {
  const match = /^(\d+) (\S*)\n$/.exec(text ?? '');
  return match ? { pid: Number(match[1]), startedAt: match[2] ?? '' } : undefined;
}

export function formatIdentity({ pid, startedAt }: ProcessIdentity): string {
  return `${pid} ${startedAt}\n`;
}

/**
 * Fields 22, 3 and 20 of /proc/<pid>/stat: when a process started, and whether all of it has ended, though whoever started it has not
 * fetched its exit code yet (a zombie; process 1 of a container may take seconds, or never do it). Where there is no such file, the
 * pid alone counts.
 */
function processFacts(pid: number): { readonly startedAt: string; readonly dead: boolean } {
  const stat = readStat(pid);
  const [state = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Of a zombie with threads, those still hold its files.
  return { startedAt: fields[18] ?? '', dead: /^[ZX]/.test(state) && Number(fields[16]) <= 1 };
}

function readStat(pid: number): string {
  try {
    return readTextFile(`/proc/${pid}/stat`) ?? '';
  } catch {
    return '';
  }
}
