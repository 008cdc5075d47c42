import type { Bash, IFileSystem } from 'just-bash';
import { encodeText, readAll } from '../byte-pipe.ts';
import type { FileTree } from '../file-tree.ts';
import type { Process } from '../process.ts';
import { TreeFileSystem } from './tree-file-system.ts';

interface Borrowed {
  readonly bash: Bash;
  readonly files: TreeFileSystem;
}

/** One just-bash for each container's files, made when the first of its commands runs. */
const byTree = new WeakMap<FileTree, Promise<Borrowed>>();

/** Limits meant for strangers' scripts: here the container is the user's own. */
const limits = {
  maxCommandCount: 1e9,
  maxLoopIterations: 1e9,
  maxAwkIterations: 1e9,
  maxSedIterations: 1e9,
  maxExecutionTimeMs: 1e9,
};

async function load(process: Process): Promise<Borrowed> {
  const { Bash } = await import('just-bash');
  const { host } = process;
  const files = new TreeFileSystem(host.files);
  const fs: IFileSystem = files;
  // Its defence in depth patches globals of the whole host process: never switch it on here.
  const sleep = (milliseconds: number): Promise<void> => process.sleep(milliseconds);
  const bash = new Bash({ fs, cwd: '/', defenseInDepth: false, executionLimits: limits, sleep });
  return { bash, files };
}

/** Commands whose input is only what the arguments name: they must not wait for a terminal. */
const ignoresInput = new Set([
  'ls',
  'mkdir',
  'rm',
  'cp',
  'mv',
  'ln',
  'touch',
  'chmod',
  'find',
  'du',
  'stat',
  'basename',
  'dirname',
  'seq',
  'expr',
  'rmdir',
  'readlink',
  'tree',
  'diff',
]);

/** Runs one of just-bash's commands on the container's files. Its input is read to the end first, its output comes at once. */
export async function runBorrowed(name: string, process: Process): Promise<number> {
  const { files: tree } = process.host;
  let loading = byTree.get(tree);
  if (!loading) {
    loading = load(process);
    byTree.set(tree, loading);
  }
  const { bash, files } = await loading;
  const args = process.argv.slice(1);
  const input = ignoresInput.has(name) ? new Uint8Array(0) : await readAll(process.io.stdin, process.context);
  const capture = files.openCapture();
  try {
    const result = await bash.exec(`${name} > ${capture.path}`, {
      args,
      cwd: process.cwd,
      env: { ...Object.fromEntries(process.env), PWD: process.cwd },
      replaceEnv: true,
      rawScript: true,
      stdin: Buffer.from(input).toString('latin1'),
      stdinKind: 'bytes',
      signal: process.context.signal,
    });
    const output = capture.bytes();
    if (output.length > 0) await process.io.stdout.write(output);
    if (result.stderr) await process.io.stderr.write(encodeText(result.stderr.replace(/^bash: (?:line \d+: )?/gm, '')));
    return result.exitCode;
  } finally {
    capture.close();
  }
}
