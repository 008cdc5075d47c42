import { CodedError } from '#base/errors';

export type FileErrorCode =
  'ENOENT' | 'EEXIST' | 'ENOTDIR' | 'EISDIR' | 'ENOTEMPTY' | 'EROFS' | 'ELOOP' | 'EINVAL' | 'EBUSY';

const errorTexts: Readonly<Record<FileErrorCode, string>> = {
  ENOENT: 'no such file or directory',
  EEXIST: 'file already exists',
  ENOTDIR: 'not a directory',
  EISDIR: 'illegal operation on a directory',
  ENOTEMPTY: 'directory not empty',
  EROFS: 'read-only file system',
  ELOOP: 'too many symbolic links encountered',
  EINVAL: 'invalid argument',
  EBUSY: 'resource busy or locked',
};

/** A failed file operation, worded as Node words it: that is what the borrowed commands look for. */
export class FileError extends CodedError<FileErrorCode> {
  override readonly name = 'FileError';
  constructor(code: FileErrorCode, operation: string, path: string) {
    super(code, `${code}: ${errorTexts[code]}, ${operation} '${path}'`);
  }
}

interface Attributes {
  mode: number;
  mtimeMs: number;
}
export interface FileNode extends Attributes {
  readonly type: 'file';
  content: Uint8Array;
}
export interface DirectoryNode extends Attributes {
  readonly type: 'directory';
  readonly children: Map<string, TreeNode>;
}
export interface LinkNode extends Attributes {
  readonly type: 'symlink';
  readonly target: string;
}
/** A file whose content is made when read, and whose writes go elsewhere: `/dev/null`, `/proc/uptime`. */
export interface DeviceNode extends Attributes {
  readonly type: 'device';
  read(): Uint8Array;
  write(bytes: Uint8Array): void;
}
export type TreeNode = FileNode | DirectoryNode | LinkNode | DeviceNode;

export function directoryNode(mtimeMs: number, mode = 0o755): DirectoryNode {
  return { type: 'directory', children: new Map(), mode, mtimeMs };
}

export function fileNode(content: Uint8Array | string, mtimeMs: number, mode = 0o644): FileNode {
  return { type: 'file', content: typeof content === 'string' ? Buffer.from(content) : content, mode, mtimeMs };
}

/** `path` seen from `base`, absolute and without `.`, `..` and doubled slashes. */
export function resolvePath(base: string, path: string): string {
  return `/${stepsOf(path.startsWith('/') ? path : `${base}/${path}`).join('/')}`;
}

/** The names on the way from the root to the absolute `path`. */
function stepsOf(path: string): string[] {
  const steps: string[] = [];
  for (const step of path.split('/')) {
    if (step === '..') steps.pop();
    else if (step !== '' && step !== '.') steps.push(step);
  }
  return steps;
}

const maxLinks = 40;

interface Mounted {
  readonly node: TreeNode;
  readonly readOnly: boolean;
}

interface Found {
  readonly node: TreeNode;
  readonly readOnly: boolean;
  readonly mountPoint: boolean;
  /** Without symbolic links. */
  readonly path: string;
}

/**
 * A Unix file tree in memory. A volume is mounted by grafting its node (directory or single file) into the tree of each
 * container: what one container writes the other reads, and what the kubelet rewrites in place every container sees. A file
 * that is replaced in its directory leaves single-file mounts of the old node as they were, as a bind mount does.
 */
export class FileTree {
  readonly root: DirectoryNode;
  readonly #now: () => number;
  /** By the directory and the name they hide: one node may be mounted at several places, each with rules of its own. */
  readonly #mounts = new Map<DirectoryNode, Map<string, Mounted>>();
  #readOnly = false;

  constructor(now: () => number, root: DirectoryNode = directoryNode(now())) {
    this.#now = now;
    this.root = root;
  }

  /** The node at `path`, through symbolic links; undefined when there is none. */
  find(path: string): TreeNode | undefined {
    return this.#walk(path, true)?.node;
  }

  /** The node at `path` itself, which may be a symbolic link. */
  findLink(path: string): TreeNode | undefined {
    return this.#walk(path, false)?.node;
  }

  require(path: string, operation = 'open'): TreeNode {
    const node = this.find(path);
    if (!node) throw new FileError('ENOENT', operation, path);
    return node;
  }

  /** Puts `node` at `path`, with parents as needed. */
  mount(path: string, node: TreeNode, readOnly: boolean): void {
    const { parent, name } = this.#parentFor(path, true, 'mount');
    parent.children.set(name, node);
    const mounts = this.#mounts.get(parent) ?? new Map<string, Mounted>();
    this.#mounts.set(parent, mounts.set(name, { node, readOnly }));
  }

  /** Puts `node` at `path` as an ordinary entry, with parents as needed. */
  place(path: string, node: TreeNode): void {
    const { parent, name } = this.#parentFor(path, true, 'mount');
    parent.children.set(name, node);
  }

  read(path: string): Uint8Array {
    const node = this.require(path);
    if (node.type === 'directory') throw new FileError('EISDIR', 'read', path);
    return node.type === 'device' ? node.read() : node.type === 'file' ? node.content : Buffer.alloc(0);
  }

  readText(path: string): string {
    return Buffer.from(this.read(path)).toString('utf8');
  }

  write(path: string, content: Uint8Array | string, options: { append?: boolean; mode?: number } = {}): void {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    const found = this.#walk(path, true);
    const node = found?.node;
    if (node?.type === 'directory') throw new FileError('EISDIR', 'open', path);
    if (node?.type === 'device') return node.write(bytes);
    if (found?.readOnly) throw new FileError('EROFS', 'open', path);
    if (node?.type === 'file') {
      node.content = options.append ? Buffer.concat([node.content, bytes]) : bytes;
      node.mtimeMs = this.#now();
      if (options.mode !== undefined) node.mode = options.mode;
      return;
    }
    const { parent, name } = this.#parentFor(path, false, 'open');
    parent.children.set(name, fileNode(bytes, this.#now(), options.mode ?? 0o644));
    parent.mtimeMs = this.#now();
  }

  makeDirectory(path: string, options: { recursive?: boolean; mode?: number } = {}): void {
    const existing = this.find(path);
    if (existing) {
      if (options.recursive && existing.type === 'directory') return;
      throw new FileError('EEXIST', 'mkdir', path);
    }
    const { parent, name } = this.#parentFor(path, options.recursive === true, 'mkdir');
    parent.children.set(name, directoryNode(this.#now(), options.mode));
  }

  list(path: string): readonly string[] {
    const node = this.require(path, 'scandir');
    if (node.type !== 'directory') throw new FileError('ENOTDIR', 'scandir', path);
    return [...node.children.keys()].sort();
  }

  remove(path: string, options: { recursive?: boolean; force?: boolean } = {}): void {
    const node = this.findLink(path);
    if (!node) {
      if (options.force) return;
      throw new FileError('ENOENT', 'rm', path);
    }
    if (this.#walk(path, false)?.mountPoint) throw new FileError('EBUSY', 'rm', path);
    if (node.type === 'directory' && node.children.size > 0 && !options.recursive) {
      throw new FileError('ENOTEMPTY', 'rm', path);
    }
    const { parent, name } = this.#parentFor(path, false, 'rm');
    parent.children.delete(name);
    parent.mtimeMs = this.#now();
  }

  symlink(target: string, path: string): void {
    if (this.findLink(path)) throw new FileError('EEXIST', 'symlink', path);
    const { parent, name } = this.#parentFor(path, false, 'symlink');
    parent.children.set(name, { type: 'symlink', target, mode: 0o777, mtimeMs: this.#now() });
  }

  /** A second name for the same node. */
  link(existing: string, path: string): void {
    const node = this.require(existing, 'link');
    if (this.findLink(path)) throw new FileError('EEXIST', 'link', path);
    const { parent, name } = this.#parentFor(path, false, 'link');
    parent.children.set(name, node);
  }

  move(from: string, to: string): void {
    const node = this.findLink(from);
    if (!node) throw new FileError('ENOENT', 'rename', from);
    if (resolvePath('/', to).startsWith(`${resolvePath('/', from)}/`)) throw new FileError('EINVAL', 'rename', from);
    const target = this.findLink(to);
    if (target === node) return;
    const source = this.#parentFor(from, false, 'rename');
    const destination = this.#parentFor(to, false, 'rename');
    source.parent.children.delete(source.name);
    destination.parent.children.set(destination.name, node);
  }

  chmod(path: string, mode: number): void {
    const found = this.#walk(path, true);
    if (!found) throw new FileError('ENOENT', 'chmod', path);
    if (found.readOnly) throw new FileError('EROFS', 'chmod', path);
    found.node.mode = mode & 0o7777;
  }

  /** The path of `path` without symbolic links. */
  realPath(path: string): string {
    const found = this.#walk(path, true);
    if (!found) throw new FileError('ENOENT', 'realpath', path);
    return found.path;
  }

  #mountAt(directory: DirectoryNode, name: string, node: TreeNode): Mounted | undefined {
    const mounted = this.#mounts.get(directory)?.get(name);
    return mounted?.node === node ? mounted : undefined;
  }

  #walk(path: string, followLast: boolean): Found | undefined {
    let links = 0;
    let pending = stepsOf(path);
    let at = 0;
    let trail: { name: string; node: TreeNode; mounted: Mounted | undefined }[] = [];
    while (at < pending.length) {
      const name = pending[at++] ?? '';
      const here = trail.at(-1)?.node ?? this.root;
      if (here.type !== 'directory') return undefined;
      const next = here.children.get(name);
      if (!next) return undefined;
      if (next.type === 'symlink' && (at < pending.length || followLast)) {
        if (++links > maxLinks) throw new FileError('ELOOP', 'open', path);
        const base = `/${trail.map((step) => step.name).join('/')}`;
        pending = [...stepsOf(resolvePath(base, next.target)), ...pending.slice(at)];
        at = 0;
        trail = [];
        continue;
      }
      trail.push({ name, node: next, mounted: this.#mountAt(here, name, next) });
    }
    return {
      node: trail.at(-1)?.node ?? this.root,
      readOnly: trail.filter((step) => step.mounted).at(-1)?.mounted?.readOnly ?? this.#readOnly,
      mountPoint: trail.at(-1)?.mounted !== undefined,
      path: `/${trail.map((step) => step.name).join('/')}`,
    };
  }

  #parentFor(path: string, create: boolean, operation: string): { parent: DirectoryNode; name: string } {
    const resolved = resolvePath('/', path);
    const slash = resolved.lastIndexOf('/');
    const name = resolved.slice(slash + 1);
    const parentPath = resolved.slice(0, slash) || '/';
    if (name === '') throw new FileError('EEXIST', operation, path);
    let found = this.#walk(parentPath, true);
    if (!found && create) {
      this.makeDirectory(parentPath, { recursive: true });
      found = this.#walk(parentPath, true);
    }
    if (!found) throw new FileError('ENOENT', operation, path);
    if (found.node.type !== 'directory') throw new FileError('ENOTDIR', operation, path);
    if (found.readOnly && operation !== 'mount') throw new FileError('EROFS', operation, path);
    return { parent: found.node, name };
  }

  /** Nothing can be changed any more but what is mounted (`readOnlyRootFilesystem`). */
  makeReadOnly(): void {
    this.#readOnly = true;
  }
}
