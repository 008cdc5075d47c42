import { createReadStream } from 'node:fs';
import { pack, type Pack } from 'tar-stream';

/** What tar-stream needs to know of an entry. */
type Headers = Parameters<Pack['entry']>[0];

/**
 * One layer of an image: a tar of files, uncompressed. It is read twice, once for its digest and once for its bytes, so
 * that it need not be held in memory: `open` must give the same bytes each time.
 */
export interface ImageLayer {
  open(): AsyncIterable<Uint8Array>;
}

/** What a layer puts at a path. Parents come before children; missing parents are made by the runtime as root's, 0755. */
export type LayerFile = {
  /** Without leading slash: `bin/busybox`. */
  readonly path: string;
  readonly uid?: number;
  readonly gid?: number;
} & (
  | { readonly type: 'directory'; readonly mode?: number }
  | { readonly type: 'file'; readonly mode?: number; readonly content: Uint8Array | string }
  /** `target` is taken as it is, relative to the link. */
  | { readonly type: 'symlink'; readonly target: string }
  /** A second name of the earlier file `target`, a path from the root without leading slash. */
  | { readonly type: 'link'; readonly target: string }
);

/** Times would change an image's digest from build to build. */
export const fixedTime = new Date(0);

export function layerOfFiles(files: readonly LayerFile[]): ImageLayer {
  return {
    open: () => {
      const tar = pack();
      putAll(tar, files).then(
        () => tar.finalize(),
        (error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))),
      );
      return tar as AsyncIterable<Buffer>;
    },
  };
}

/** A layer that is a tar file on this machine, for example a root file system. */
export function layerOfTarFile(path: string): ImageLayer {
  return { open: () => createReadStream(path, { highWaterMark: 1024 * 1024 }) };
}

async function putAll(tar: Pack, files: readonly LayerFile[]): Promise<void> {
  for (const file of files) await putEntry(tar, headersOf(file), contentOf(file));
}

function contentOf(file: LayerFile): Buffer | undefined {
  if (file.type !== 'file') return undefined;
  return typeof file.content === 'string' ? Buffer.from(file.content) : Buffer.from(file.content);
}

function headersOf(file: LayerFile): Headers {
  const common = { name: file.path, uid: file.uid ?? 0, gid: file.gid ?? 0, mtime: fixedTime };
  switch (file.type) {
    case 'directory':
      return { ...common, type: 'directory', mode: file.mode ?? 0o755 };
    case 'file':
      return { ...common, type: 'file', mode: file.mode ?? 0o644 };
    case 'symlink':
    case 'link':
      return { ...common, type: file.type, mode: 0o777, linkname: file.target };
  }
}

/** Resolves when the tar took the whole entry. */
export function putEntry(tar: Pack, headers: Headers, content?: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null): void => (error ? reject(error) : resolve());
    if (content) tar.entry({ ...headers, size: content.length }, content, done);
    else tar.entry(headers, done);
  });
}
