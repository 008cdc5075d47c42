import { formatBytes } from '#base/quantity';
import type { Process, Program } from '../process.ts';

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const longDays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const longMonths = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
}

const conversions: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => String(date.getUTCFullYear()),
  y: (date) => two(date.getUTCFullYear() % 100),
  m: (date) => two(date.getUTCMonth() + 1),
  d: (date) => two(date.getUTCDate()),
  e: (date) => String(date.getUTCDate()).padStart(2),
  H: (date) => two(date.getUTCHours()),
  I: (date) => two(date.getUTCHours() % 12 || 12),
  M: (date) => two(date.getUTCMinutes()),
  S: (date) => two(date.getUTCSeconds()),
  N: (date) => `${String(date.getUTCMilliseconds()).padStart(3, '0')}000000`,
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  p: (date) => (date.getUTCHours() < 12 ? 'AM' : 'PM'),
  a: (date) => days[date.getUTCDay()] ?? '',
  A: (date) => longDays[date.getUTCDay()] ?? '',
  b: (date) => months[date.getUTCMonth()] ?? '',
  h: (date) => months[date.getUTCMonth()] ?? '',
  B: (date) => longMonths[date.getUTCMonth()] ?? '',
  j: (date) => String(dayOfYear(date)).padStart(3, '0'),
  u: (date) => String(date.getUTCDay() || 7),
  w: (date) => String(date.getUTCDay()),
  F: (date) => formatDate('%Y-%m-%d', date),
  T: (date) => formatDate('%H:%M:%S', date),
  R: (date) => formatDate('%H:%M', date),
  D: (date) => formatDate('%m/%d/%y', date),
  c: (date) => formatDate('%a %b %e %H:%M:%S %Y', date),
  Z: () => 'UTC',
  z: () => '+0000',
  n: () => '\n',
  t: () => '\t',
  '%': () => '%',
};

/** strftime(3) in UTC. */
export function formatDate(format: string, date: Date): string {
  return format.replace(/%[-_0^]?(.)/g, (match, code: string) => conversions[code]?.(date) ?? match);
}

const date: Program = async (process) => {
  const args = process.argv.slice(1);
  let moment = new Date(process.host.clock.now());
  let format = '%a %b %e %H:%M:%S UTC %Y';
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (arg.startsWith('+')) format = arg.slice(1);
    else if (/^-I?(?:seconds)?$/.test(arg) || arg.startsWith('-I'))
      format = arg === '-I' ? '%Y-%m-%d' : '%Y-%m-%dT%H:%M:%S+00:00';
    else if (arg === '-R') format = '%a, %d %b %Y %H:%M:%S +0000';
    else if (arg === '-d' || arg.startsWith('--date')) {
      const text = arg === '-d' ? (args[++at] ?? '') : arg.slice('--date='.length);
      const seconds = /^@(\d+)$/.exec(text)?.[1];
      moment = new Date(
        seconds ? Number(seconds) * 1000 : text === 'now' ? moment : Date.parse(`${text}Z`) || Date.parse(text),
      );
      if (Number.isNaN(moment.getTime())) {
        await process.complain(`date: invalid date '${text}'\n`);
        return 1;
      }
    }
  }
  await process.print(`${formatDate(format, moment)}\n`);
  return 0;
};

const hostname: Program = async (process) => {
  const wantsIp = process.argv.slice(1).some((arg) => arg === '-i' || arg === '-I');
  await process.print(`${wantsIp ? process.host.network.ip : process.host.hostname}\n`);
  return 0;
};

const uname: Program = async (process) => {
  const facts: Readonly<Record<string, string>> = {
    s: 'Linux',
    n: process.host.hostname,
    r: process.host.kernelVersion,
    v: '#1 SMP PREEMPT_DYNAMIC Drydock',
    m: 'x86_64',
    o: 'GNU/Linux',
  };
  const letters = process.argv.slice(1).join('').replace(/-/g, '') || 's';
  const wanted = letters.includes('a') ? 'snrvmo' : letters;
  await process.print(`${[...wanted].map((letter) => facts[letter] ?? '').join(' ')}\n`);
  return 0;
};

function userName(process: Process): string {
  if (process.user === 0) return 'root';
  const line = process.host.files.find('/etc/passwd')
    ? process.host.files
        .readText('/etc/passwd')
        .split('\n')
        .find((entry) => entry.split(':')[2] === String(process.user))
    : undefined;
  return line?.split(':')[0] ?? String(process.user);
}

const id: Program = async (process) => {
  const args = process.argv.slice(1).join('');
  const name = userName(process);
  const group = process.user === 0 ? '0(root)' : `${process.user}`;
  if (args.includes('u')) await process.print(`${args.includes('n') ? name : process.user}\n`);
  else if (args.includes('g')) await process.print(`${args.includes('n') ? name : process.user}\n`);
  else await process.print(`uid=${process.user}(${name}) gid=${group} groups=${group}\n`);
  return 0;
};

const whoami: Program = async (process) => {
  await process.print(`${userName(process)}\n`);
  return 0;
};

function elapsed(process: Process): string {
  const seconds = Math.floor((process.host.clock.now() - process.startedAtMs) / 1000);
  return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
}

const ps: Program = async (process) => {
  const full = process.argv.slice(1).join('');
  const table = process.host.processes.list();
  if (/e|f|a|x/.test(full) && !process.host.binaries.includes('busybox')) {
    const rows = table.map(
      (item) =>
        `${userName(item).padEnd(9)}${String(item.pid).padStart(7)} ${String(item.parentPid).padStart(7)}  0 00:00 ${item.tty ? 'pts/0' : '?    '}    00:00:00 ${item.argv.join(' ')}\n`,
    );
    await process.print(`UID          PID    PPID  C STIME TTY          TIME CMD\n${rows.join('')}`);
    return 0;
  }
  const rows = table.map(
    (item) => `${String(item.pid).padStart(5)} ${userName(item).padEnd(8)}  0:00 ${item.argv.join(' ')}\n`,
  );
  await process.print(`PID   USER     TIME  COMMAND\n${rows.join('')}`);
  return 0;
};

/** One picture of the processes; with a terminal, one every five seconds until it is interrupted. */
const top: Program = async (process) => {
  const once = !process.tty || process.argv.includes('-n') || process.argv.some((arg) => arg.startsWith('-b'));
  for (;;) {
    const rows = process.host.processes
      .list()
      .map(
        (item) =>
          `${String(item.pid).padStart(5)} ${String(item.parentPid).padStart(5)} ${userName(item).padEnd(8)} S     4400   0%   0% ${item.argv.join(' ')}\n`,
      );
    const clear = process.tty ? '\u001b[H\u001b[2J' : '';
    await process.print(
      `${clear}Mem: 0K used, 0K free\nLoad average: 0.00 0.00 0.00\n  PID  PPID USER     STAT   VSZ %VSZ %CPU COMMAND\n${rows.join('')}`,
    );
    if (once) return 0;
    await process.sleep(5_000);
  }
};

const uptime: Program = async (process) => {
  const now = formatDate('%H:%M:%S', new Date(process.host.clock.now()));
  const init = process.host.processes.get(1) ?? process;
  await process.print(` ${now} up ${elapsed(init)},  0 users,  load average: 0.00, 0.00, 0.00\n`);
  return 0;
};

const free: Program = async (process) => {
  const total = Number(/MemTotal:\s+(\d+)/.exec(process.host.files.readText('/proc/meminfo'))?.[1] ?? 0);
  const human = process.argv.includes('-h');
  const show = (kib: number): string =>
    (human
      ? formatBytes(kib * 1024)
      : process.argv.includes('-m')
        ? String(Math.floor(kib / 1024))
        : String(kib)
    ).padStart(12);
  await process.print(
    `              total        used        free      shared  buff/cache   available\nMem:   ${show(total)}${show(0)}${show(total)}${show(0)}${show(0)}${show(total)}\nSwap:  ${show(0)}${show(0)}${show(0)}\n`,
  );
  return 0;
};

const nproc: Program = async (process) => {
  const text = process.host.files.readText('/proc/cpuinfo');
  await process.print(`${text.split('processor').length - 1}\n`);
  return 0;
};

const df: Program = async (process) => {
  await process.print(
    'Filesystem           1K-blocks      Used Available Use% Mounted on\noverlay              104857600         0 104857600   0% /\ntmpfs                    65536         0     65536   0% /dev\n',
  );
  return 0;
};

const mount: Program = async (process) => {
  await process.print(
    'overlay on / type overlay (rw,relatime)\nproc on /proc type proc (rw,nosuid,nodev,noexec,relatime)\ntmpfs on /dev type tmpfs (rw,nosuid,size=65536k,mode=755)\n',
  );
  return 0;
};

const which: Program = async (process) => {
  let code = 0;
  for (const name of process.argv.slice(1).filter((arg) => !arg.startsWith('-'))) {
    const directories = (process.env.get('PATH') ?? '/bin').split(':');
    const found = directories.find((directory) => process.host.files.find(`${directory}/${name}`)?.type === 'file');
    if (found) await process.print(`${found}/${name}\n`);
    else code = 1;
  }
  return code;
};

const tty: Program = async (process) => {
  await process.print(process.tty ? '/dev/pts/0\n' : 'not a tty\n');
  return process.tty ? 0 : 1;
};

const usleep: Program = async (process) => {
  await process.sleep(Number(process.argv[1] ?? 0) / 1000);
  return 0;
};

/** Commands that tell of the container, its processes and the time. */
export const systemCommands: ReadonlyMap<string, Program> = new Map<string, Program>([
  ['date', date],
  ['df', df],
  ['free', free],
  ['hostname', hostname],
  ['id', id],
  ['mount', mount],
  ['nproc', nproc],
  ['ps', ps],
  ['sync', async () => 0],
  ['top', top],
  ['tty', tty],
  ['uname', uname],
  ['uptime', uptime],
  ['usleep', usleep],
  ['which', which],
  ['whoami', whoami],
]);
