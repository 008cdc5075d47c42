import { resolvePath, type FileTree } from '../file-tree.ts';

/** A shell pattern as a regular expression source; quoted characters come with a backslash. */
export function patternSource(pattern: string, star = '[^]*', any = '[^]'): string {
  let out = '';
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern.charAt(at);
    if (character === '\\') out += escapeRegExp(pattern.charAt(++at));
    else if (character === '*') out += star;
    else if (character === '?') out += any;
    else if (character === '[') {
      const end = bracketEnd(pattern, at);
      if (end < 0) out += '\\[';
      else {
        out += bracket(pattern.slice(at + 1, end));
        at = end;
      }
    } else out += escapeRegExp(character);
  }
  return out;
}

function bracketEnd(pattern: string, start: number): number {
  const first = pattern.charAt(start + 1) === '!' || pattern.charAt(start + 1) === '^' ? start + 2 : start + 1;
  for (let at = first; at < pattern.length; at++) {
    if (pattern.startsWith('[:', at)) at = pattern.indexOf(':]', at) + 1;
    else if (pattern.charAt(at) === ']' && at > first) return at;
  }
  return -1;
}

const classes: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z',
  digit: '0-9',
  alnum: 'A-Za-z0-9',
  upper: 'A-Z',
  lower: 'a-z',
  space: '\\s',
  blank: ' \\t',
  punct: '!-\\/:-@\\[-`{-~',
  xdigit: '0-9A-Fa-f',
};

function bracket(body: string): string {
  const negated = body.startsWith('!') || body.startsWith('^');
  const inner = (negated ? body.slice(1) : body)
    .replace(/\\(?![\]\\^-])/g, '')
    .replace(/\[:(\w+):\]/g, (_match, name: string) => classes[name] ?? '')
    .replace(/\[/g, '\\[');
  return `[${negated ? '^' : ''}${inner}]`;
}

export function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

export function matchesPattern(pattern: string, text: string): boolean {
  return new RegExp(`^${patternSource(pattern)}$`, 'u').test(text);
}

/** Paths that match, sorted; none when nothing does. `pattern` has quoted characters escaped. */
export function globPaths(files: FileTree, cwd: string, pattern: string): readonly string[] {
  const absolute = pattern.startsWith('/');
  let found = [absolute ? '/' : ''];
  for (const part of pattern.split('/').filter(Boolean)) {
    const next: string[] = [];
    for (const base of found) next.push(...expandPart(files, cwd, base, part));
    found = next;
  }
  return found.sort();
}

function expandPart(files: FileTree, cwd: string, base: string, part: string): string[] {
  const join = (name: string): string => (base === '' ? name : base.endsWith('/') ? base + name : `${base}/${name}`);
  if (!/(^|[^\\])[*?[]/.test(part)) {
    const name = part.replace(/\\(.)/g, '$1');
    return files.findLink(resolvePath(cwd, join(name))) ? [join(name)] : [];
  }
  const directory = resolvePath(cwd, base || '.');
  if (files.find(directory)?.type !== 'directory') return [];
  const expression = new RegExp(`^${patternSource(part, '[^/]*', '[^/]')}$`, 'u');
  return files
    .list(directory)
    .filter((name) => expression.test(name) && (!name.startsWith('.') || part.startsWith('.')))
    .map(join);
}
