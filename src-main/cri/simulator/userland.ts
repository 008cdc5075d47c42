import { directoryNode, fileNode, FileTree, type TreeNode } from './file-tree.ts';
import type { CatalogueImage } from './image-catalogue.ts';
import type { ProcessTable } from './process.ts';

/** Commands of every userland, all of them real: see commands/ and shell/. */
const common = [
  ...[
    '[',
    'awk',
    'base64',
    'basename',
    'cat',
    'chmod',
    'chown',
    'cmp',
    'comm',
    'cp',
    'cut',
    'date',
    'dd',
    'df',
    'diff',
    'dirname',
  ],
  ...[
    'du',
    'echo',
    'env',
    'expr',
    'false',
    'find',
    'fold',
    'free',
    'grep',
    'egrep',
    'fgrep',
    'gunzip',
    'gzip',
    'head',
    'hostname',
  ],
  ...[
    'id',
    'ip',
    'kill',
    'ln',
    'ls',
    'md5sum',
    'mkdir',
    'mktemp',
    'mount',
    'mv',
    'nl',
    'nproc',
    'od',
    'paste',
    'printenv',
    'printf',
  ],
  ...[
    'ps',
    'pwd',
    'readlink',
    'realpath',
    'rev',
    'rm',
    'rmdir',
    'sed',
    'seq',
    'sh',
    'sha1sum',
    'sha256sum',
    'sleep',
    'sort',
    'split',
  ],
  ...[
    'stat',
    'strings',
    'sync',
    'tac',
    'tail',
    'tar',
    'tee',
    'test',
    'timeout',
    'touch',
    'tr',
    'true',
    'tty',
    'uname',
    'uniq',
  ],
  ...['uptime', 'wc', 'which', 'whoami', 'xargs', 'yes', 'zcat'],
] as const;
const busyboxOnly = [
  'ash',
  'busybox',
  'ifconfig',
  'nc',
  'netstat',
  'nslookup',
  'ping',
  'top',
  'tree',
  'usleep',
  'wget',
  'xxd',
] as const;
const debianOnly = ['bash', 'dash', 'getent'] as const;

/** Names of the commands on a userland's PATH. */
export function userlandCommands(userland: CatalogueImage['userland']): readonly string[] {
  if (userland === 'none') return [];
  return userland === 'busybox' ? [...common, ...busyboxOnly] : [...common, ...debianOnly];
}

/** A binary's content: enough to be recognised, and to go on working when copied elsewhere. */
const elf = '\u007fELF\n';

/** The program a file holds, when it is one of the simulator's binaries. */
export function programOf(node: TreeNode | undefined): string | undefined {
  if (node?.type !== 'file') return undefined;
  const text = Buffer.from(node.content.subarray(0, 80)).toString('latin1');
  return text.startsWith(elf) ? text.slice(elf.length) : undefined;
}

export interface RootFileSystemFacts {
  readonly image: CatalogueImage;
  readonly now: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly processes: ProcessTable;
  readonly kernelVersion: string;
  readonly memoryBytes: number;
  readonly cpus: number;
  /** The streams of the container's own process, for `/dev/stdout` and `/proc/1/fd/1`. */
  readonly output: (stream: 'stdout' | 'stderr', bytes: Uint8Array) => void;
}

/** The root file system of a fresh container of an image, before its mounts. */
export function buildRootFileSystem(facts: RootFileSystemFacts): FileTree {
  const { image, now } = facts;
  const tree = new FileTree(now);
  for (const path of [
    '/dev',
    '/etc',
    '/home',
    '/proc',
    '/root',
    '/run',
    '/sys',
    '/usr/bin',
    '/usr/local/bin',
    '/var/log',
    '/var/run',
    '/opt',
    '/srv',
    '/mnt',
  ]) {
    tree.makeDirectory(path, { recursive: true });
  }
  tree.place('/tmp', directoryNode(now(), 0o1777));
  addBinaries(tree, image, now());
  tree.write('/etc/passwd', passwd);
  tree.write('/etc/group', 'root:x:0:\nnogroup:x:65533:\nnobody:x:65534:\n');
  if (image.osRelease) tree.write('/etc/os-release', image.osRelease);
  for (const [path, content] of Object.entries(image.files ?? {})) {
    tree.makeDirectory(path.slice(0, path.lastIndexOf('/')) || '/', { recursive: true });
    tree.write(path, content);
  }
  if (image.workingDir) tree.makeDirectory(image.workingDir, { recursive: true });
  addDevices(tree, facts);
  addProc(tree, facts);
  return tree;
}

const passwd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`;

function addBinaries(tree: FileTree, image: CatalogueImage, nowMs: number): void {
  const home = image.userland === 'debian' ? '/usr/bin' : '/bin';
  if (image.userland === 'debian') tree.symlink('usr/bin', '/bin');
  tree.makeDirectory(home, { recursive: true });
  const directory = tree.require(home);
  if (directory.type === 'directory') {
    for (const name of userlandCommands(image.userland)) directory.children.set(name, binaryNode(name, nowMs));
  }
  for (const [path, program] of Object.entries(image.binaries ?? {})) tree.place(path, binaryNode(program, nowMs));
}

/** Contents of binaries by program: the same bytes in every container, as a file's content is replaced and never changed. */
const binaryContents = new Map<string, Uint8Array>();

function binaryNode(program: string, nowMs: number): TreeNode {
  let content = binaryContents.get(program);
  if (!content) binaryContents.set(program, (content = Buffer.from(elf + program)));
  return fileNode(content, nowMs, 0o755);
}

function device(read: () => Uint8Array | string, write: (bytes: Uint8Array) => void, mode = 0o666): TreeNode {
  return { type: 'device', mode, mtimeMs: 0, write, read: () => Buffer.from(read()) };
}

function addDevices(tree: FileTree, facts: RootFileSystemFacts): void {
  const ignore = (): void => {};
  tree.place(
    '/dev/null',
    device(() => '', ignore),
  );
  tree.place(
    '/dev/zero',
    device(() => new Uint8Array(4096), ignore),
  );
  for (const name of ['random', 'urandom'])
    tree.place(
      `/dev/${name}`,
      device(() => facts.randomBytes(4096), ignore),
    );
  for (const [index, name] of (['stdout', 'stderr'] as const).entries()) {
    const node = device(
      () => '',
      (bytes) => facts.output(name, bytes),
    );
    tree.place(`/proc/1/fd/${index + 1}`, node);
  }
}

function addProc(tree: FileTree, facts: RootFileSystemFacts): void {
  const readOnly = (path: string, read: () => string): void =>
    tree.place(
      path,
      device(read, () => {}, 0o444),
    );
  readOnly('/proc/version', () => `Linux version ${facts.kernelVersion} (drydock) #1 SMP PREEMPT_DYNAMIC\n`);
  readOnly('/proc/uptime', () => `${(facts.now() / 1000).toFixed(2)} ${(facts.now() / 1000).toFixed(2)}\n`);
  readOnly('/proc/loadavg', () => `0.00 0.00 0.00 1/${facts.processes.list().length} 1\n`);
  readOnly('/proc/meminfo', () => `MemTotal:       ${Math.floor(facts.memoryBytes / 1024)} kB\n`);
  readOnly('/proc/cpuinfo', () => Array.from({ length: facts.cpus }, (_, cpu) => `processor\t: ${cpu}\n`).join('\n'));
  readOnly('/proc/1/cmdline', () => `${(facts.processes.get(1)?.argv ?? []).join('\0')}\0`);
  readOnly('/proc/1/status', () => `Name:\t${facts.processes.get(1)?.argv[0] ?? ''}\nPid:\t1\nPPid:\t0\n`);
}
