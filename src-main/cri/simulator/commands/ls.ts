import { resolvePath, type TreeNode } from '../file-tree.ts';
import type { Process, Program } from '../process.ts';
import { formatDate } from './system.ts';

interface Entry {
  readonly name: string;
  readonly node: TreeNode;
}

const typeLetters = { file: '-', directory: 'd', symlink: 'l', device: 'c' } as const;

function modeText(node: TreeNode): string {
  const bits = [...'rwxrwxrwx'].map((letter, index) => ((node.mode >> (8 - index)) & 1 ? letter : '-')).join('');
  const sticky = (node.mode & 0o1000) !== 0 ? `${bits.slice(0, -1)}${bits.endsWith('x') ? 't' : 'T'}` : bits;
  return typeLetters[node.type] + sticky;
}

function sizeOf(node: TreeNode): number {
  if (node.type === 'file') return node.content.length;
  return node.type === 'symlink' ? node.target.length : node.type === 'directory' ? 4096 : 0;
}

function humanSize(bytes: number): string {
  let value = bytes;
  for (const unit of ['', 'K', 'M', 'G']) {
    if (value < 1024) return unit === '' || value >= 10 ? `${Math.round(value)}${unit}` : `${value.toFixed(1)}${unit}`;
    value /= 1024;
  }
  return `${Math.round(value)}T`;
}

class Listing {
  readonly #process: Process;
  readonly #flags: ReadonlySet<string>;

  constructor(process: Process, flags: ReadonlySet<string>) {
    this.#process = process;
    this.#flags = flags;
  }

  entries(path: string): readonly Entry[] {
    const { files } = this.#process.host;
    const entries = files.list(path).flatMap((name): Entry[] => {
      const node = files.findLink(`${path}/${name}`);
      return node ? [{ name, node }] : [];
    });
    const shown = entries.filter(({ name }) => !name.startsWith('.') || this.#flags.has('a') || this.#flags.has('A'));
    const self = files.find(path);
    const parent = files.find(resolvePath(path, '..'));
    if (!this.#flags.has('a') || !self || !parent) return this.sort(shown);
    return [{ name: '.', node: self }, { name: '..', node: parent }, ...this.sort(shown)];
  }

  sort(entries: readonly Entry[]): readonly Entry[] {
    const by = this.#flags.has('t')
      ? (a: Entry, b: Entry): number => b.node.mtimeMs - a.node.mtimeMs
      : this.#flags.has('S')
        ? (a: Entry, b: Entry): number => sizeOf(b.node) - sizeOf(a.node)
        : (a: Entry, b: Entry): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
    const sorted = [...entries].sort(by);
    return this.#flags.has('r') ? sorted.reverse() : sorted;
  }

  text(entries: readonly Entry[]): string {
    if (this.#flags.has('l')) return this.#long(entries);
    const names = entries.map((entry) => this.#name(entry));
    if (!this.#process.tty || this.#flags.has('1')) return names.map((name) => `${name}\n`).join('');
    return columns(names);
  }

  #name({ name, node }: Entry): string {
    const mark = this.#flags.has('p') || this.#flags.has('F') ? (node.type === 'directory' ? '/' : '') : '';
    return name + mark;
  }

  #long(entries: readonly Entry[]): string {
    const rows = entries.map((entry) => {
      const { node } = entry;
      const links =
        node.type === 'directory'
          ? 2 + [...node.children.values()].filter((child) => child.type === 'directory').length
          : 1;
      const size = this.#flags.has('h') ? humanSize(sizeOf(node)) : String(sizeOf(node));
      const owner = this.#flags.has('n') ? '0        0       ' : 'root     root    ';
      const recent = Math.abs(this.#process.host.clock.now() - node.mtimeMs) < 15_768_000_000;
      const time = formatDate(recent ? '%b %e %H:%M' : '%b %e  %Y', new Date(node.mtimeMs));
      const target = node.type === 'symlink' ? ` -> ${node.target}` : '';
      return `${modeText(node)} ${String(links).padStart(4)} ${owner} ${size.padStart(9)} ${time} ${this.#name(entry)}${target}\n`;
    });
    return rows.join('');
  }
}

function columns(names: readonly string[]): string {
  if (names.length === 0) return '';
  const width = Math.max(...names.map((name) => name.length)) + 2;
  const across = Math.max(1, Math.floor(80 / width));
  const down = Math.ceil(names.length / across);
  const rows = Array.from({ length: down }, (_unused, row) =>
    names
      .filter((_name, index) => index % down === row)
      .map((name) => name.padEnd(width))
      .join('')
      .trimEnd(),
  );
  return rows.map((row) => `${row}\n`).join('');
}

/** busybox's ls. Every file is root's. */
export const ls: Program = async (process) => {
  const args = process.argv.slice(1);
  const flags = new Set(args.filter((arg) => /^-[a-zA-Z1]/.test(arg)).flatMap((arg) => [...arg.slice(1)]));
  const operands = args.filter((arg) => !arg.startsWith('-') || arg === '-');
  const listing = new Listing(process, flags);
  const { files } = process.host;
  const single: Entry[] = [];
  const directories: string[] = [];
  let code = 0;
  for (const name of operands.length === 0 ? ['.'] : operands) {
    const path = resolvePath(process.cwd, name);
    const node = flags.has('l') && !name.endsWith('/') ? files.findLink(path) : files.find(path);
    if (!node) {
      await process.complain(`ls: ${name}: No such file or directory\n`);
      code = 1;
    } else if (node.type === 'directory' && !flags.has('d')) directories.push(name);
    else single.push({ name, node });
  }
  await process.print(listing.text(listing.sort(single)));
  const titled = flags.has('R') || operands.length > 1;
  for (let at = 0; at < directories.length; at++) {
    const name = directories[at] ?? '.';
    const entries = listing.entries(resolvePath(process.cwd, name));
    if (titled) await process.print(`${at > 0 || single.length > 0 ? '\n' : ''}${name}:\n`);
    if (flags.has('l')) await process.print(`total ${entries.length * 4}\n`);
    await process.print(listing.text(entries));
    if (!flags.has('R')) continue;
    const inner = entries.filter((entry) => entry.node.type === 'directory' && !/^\.\.?$/.test(entry.name));
    directories.splice(at + 1, 0, ...inner.map((entry) => `${name}/${entry.name}`));
  }
  return code;
};
