import { fileNode, FileTree, directoryNode } from './file-tree.ts';

export interface NodeFile {
  /** Relative to the directory. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly mode: number;
}

/** The file system of the simulated machine: what the kubelet puts there is what containers mount. */
export class NodeFiles {
  readonly tree: FileTree;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
    this.tree = new FileTree(now);
  }

  makeDirectory(path: string): void {
    this.tree.makeDirectory(path, { recursive: true });
  }

  /** Memory is what everything here lies in. */
  mountMemory(path: string): void {
    this.makeDirectory(path);
  }

  /** Every file is root's, and processes are not kept from any. */
  setGroup(): void {}

  /** Throws when `subPath` leads out of `volume`. */
  openSubPath(volume: string, subPath: string): string {
    if (subPath.split('/').includes('..'))
      throw new Error(`subpath ${JSON.stringify(subPath)} not within volume path ${volume}`);
    const path = `${volume}/${subPath}`;
    if (!this.tree.find(path)) this.makeDirectory(path);
    return path;
  }

  writeFile(path: string, content: Uint8Array, mode: number): void {
    this.makeDirectory(path.slice(0, path.lastIndexOf('/')) || '/');
    this.tree.write(path, content, { mode });
  }

  /** Undefined when there is no such file. */
  readFile(path: string): Uint8Array | undefined {
    const node = this.tree.find(path);
    return node?.type === 'file' ? node.content : undefined;
  }

  exists(path: string): 'file' | 'directory' | undefined {
    const node = this.tree.find(path);
    return node === undefined ? undefined : node.type === 'directory' ? 'directory' : 'file';
  }

  list(path: string): readonly string[] {
    const node = this.tree.find(path);
    return node?.type === 'directory' ? [...node.children.keys()] : [];
  }

  /**
   * Makes `path` hold exactly `files`, for readers all at once. Unchanged files stay the same nodes; changed ones become new
   * nodes, so that single-file mounts keep the old content (which is what a `subPath` mount does on Linux).
   */
  replaceDirectory(path: string, files: readonly NodeFile[]): void {
    this.makeDirectory(path);
    const directory = this.tree.require(path);
    if (directory.type !== 'directory') return;
    const wanted = new Map(files.map((file) => [file.path, file]));
    const before = new FileTree(this.#now, { ...directoryNode(this.#now()), children: new Map(directory.children) });
    const next = new FileTree(this.#now);
    for (const [name, file] of wanted) {
      const old = before.find(name);
      const same = old?.type === 'file' && old.mode === file.mode && Buffer.from(old.content).equals(file.content);
      next.place(name, same ? old : fileNode(file.content, this.#now(), file.mode));
    }
    directory.children.clear();
    for (const [name, node] of next.root.children) directory.children.set(name, node);
    directory.mtimeMs = this.#now();
  }

  remove(path: string): void {
    this.tree.remove(path, { recursive: true, force: true });
  }
}
