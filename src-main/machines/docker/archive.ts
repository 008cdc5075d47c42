import { layerOfFiles } from '#images/layer';

export interface ArchiveFile {
  /** From the root, with or without leading slash. */
  readonly path: string;
  readonly content: Uint8Array;
  /** Permission bits; 0644 when absent. */
  readonly mode?: number;
}

/** A tar of root's files, as the engine takes builds and files for containers. Equal files make equal bytes. */
export async function archiveOf(files: readonly ArchiveFile[]): Promise<Buffer> {
  const layer = layerOfFiles(
    files.map(({ path, content, mode }) => ({
      type: 'file',
      path: path.replace(/^\/+/, ''),
      content,
      ...(mode !== undefined && { mode }),
    })),
  );
  const chunks: Uint8Array[] = [];
  for await (const chunk of layer.open()) chunks.push(chunk);
  return Buffer.concat(chunks);
}
