import type { IFileSystem } from 'just-bash';
import { FileError, resolvePath, type FileTree, type TreeNode } from '../file-tree.ts';

type Stat = Awaited<ReturnType<IFileSystem['stat']>>;

const captureDirectory = '/.drydock-capture';

function toBytes(content: string | Uint8Array, encoding: unknown): Uint8Array {
  if (typeof content !== 'string') return content;
  const name =
    typeof encoding === 'object' && encoding !== null ? (encoding as { encoding?: string }).encoding : encoding;
  return Buffer.from(content, (name as BufferEncoding | undefined) ?? 'utf8');
}

/** A container's files as just-bash wants to see them. */
export class TreeFileSystem implements IFileSystem {
  readonly #tree: FileTree;
  readonly #captures = new Map<string, Uint8Array[]>();
  #nextCapture = 1;

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  /** A file outside the tree that takes a command's output byte by byte as it is. */
  openCapture(): { readonly path: string; bytes(): Uint8Array; close(): void } {
    const path = `${captureDirectory}/${this.#nextCapture++}`;
    const chunks: Uint8Array[] = [];
    this.#captures.set(path, chunks);
    return { path, bytes: () => Buffer.concat(chunks), close: () => void this.#captures.delete(path) };
  }

  async readFile(path: string, options?: unknown): Promise<string> {
    const name =
      typeof options === 'object' && options !== null ? (options as { encoding?: string }).encoding : options;
    return Buffer.from(this.#tree.read(path)).toString((name as BufferEncoding | null | undefined) ?? 'utf8');
  }

  async readFileBuffer(path: string): Promise<Uint8Array> {
    return this.#tree.read(path);
  }

  async writeFile(path: string, content: string | Uint8Array, options?: unknown): Promise<void> {
    const capture = this.#captures.get(path);
    if (capture) capture.splice(0, capture.length, toBytes(content, options));
    else this.#tree.write(path, toBytes(content, options));
  }

  async appendFile(path: string, content: string | Uint8Array, options?: unknown): Promise<void> {
    const capture = this.#captures.get(path);
    if (capture) capture.push(toBytes(content, options));
    else this.#tree.write(path, toBytes(content, options), { append: true });
  }

  async exists(path: string): Promise<boolean> {
    return this.#captures.has(path) || this.#tree.find(path) !== undefined;
  }

  async stat(path: string): Promise<Stat> {
    if (this.#captures.has(path)) return captureStat;
    return statOf(this.#tree.require(path, 'stat'));
  }

  async lstat(path: string): Promise<Stat> {
    if (this.#captures.has(path)) return captureStat;
    const node = this.#tree.findLink(path);
    if (!node) throw new FileError('ENOENT', 'lstat', path);
    return statOf(node);
  }

  async mkdir(path: string, options?: { readonly recursive?: boolean }): Promise<void> {
    if (path === captureDirectory) return;
    this.#tree.makeDirectory(path, { recursive: options?.recursive === true });
  }

  async readdir(path: string): Promise<string[]> {
    return [...this.#tree.list(path)];
  }

  async readdirWithFileTypes(
    path: string,
  ): Promise<{ name: string; isFile: boolean; isDirectory: boolean; isSymbolicLink: boolean }[]> {
    const base = path.endsWith('/') ? path : `${path}/`;
    return this.#tree.list(path).map((name) => {
      const type = this.#tree.findLink(base + name)?.type;
      return {
        name,
        isFile: type === 'file' || type === 'device',
        isDirectory: type === 'directory',
        isSymbolicLink: type === 'symlink',
      };
    });
  }

  async rm(path: string, options?: { readonly recursive?: boolean; readonly force?: boolean }): Promise<void> {
    this.#tree.remove(path, options ?? {});
  }

  async cp(from: string, to: string, options?: { readonly recursive?: boolean }): Promise<void> {
    const node = this.#tree.require(from, 'cp');
    if (node.type !== 'directory') {
      this.#tree.write(to, this.#tree.read(from), { mode: node.mode });
      return;
    }
    if (!options?.recursive) throw new FileError('EISDIR', 'cp', from);
    this.#tree.makeDirectory(to, { recursive: true });
    for (const name of this.#tree.list(from)) await this.cp(`${from}/${name}`, `${to}/${name}`, options);
  }

  async mv(from: string, to: string): Promise<void> {
    this.#tree.move(from, to);
  }

  resolvePath(base: string, path: string): string {
    return resolvePath(base, path);
  }

  getAllPaths(): string[] {
    return [];
  }

  async chmod(path: string, mode: number): Promise<void> {
    this.#tree.chmod(path, mode);
  }

  async symlink(target: string, path: string): Promise<void> {
    this.#tree.symlink(target, path);
  }

  async link(existing: string, path: string): Promise<void> {
    this.#tree.link(existing, path);
  }

  async readlink(path: string): Promise<string> {
    const node = this.#tree.findLink(path);
    if (node?.type !== 'symlink') throw new FileError(node ? 'EINVAL' : 'ENOENT', 'readlink', path);
    return node.target;
  }

  async realpath(path: string): Promise<string> {
    return this.#tree.realPath(path);
  }

  async utimes(path: string, _accessed: Date, modified: Date): Promise<void> {
    this.#tree.require(path, 'utimes').mtimeMs = modified.getTime();
  }
}

const captureStat: Stat = {
  isFile: true,
  isDirectory: false,
  isSymbolicLink: false,
  mode: 0o600,
  size: 0,
  mtime: new Date(0),
};

function statOf(node: TreeNode): Stat {
  return {
    isFile: node.type === 'file' || node.type === 'device',
    isDirectory: node.type === 'directory',
    isSymbolicLink: node.type === 'symlink',
    mode: node.mode,
    size: node.type === 'file' ? node.content.length : node.type === 'directory' ? 4096 : 0,
    mtime: new Date(node.mtimeMs),
  };
}
