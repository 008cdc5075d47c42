import { ImageError } from './image-error.ts';
import { layerOfFiles, type LayerFile } from './layer.ts';
import { buildImage, type BuiltImage } from './oci-archive.ts';

/** What the container runtimes are told to hold a pod's namespaces with. */
export const pauseImageName = 'registry.k8s.io/pause:3.10';

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Process 1 of a pod: the shell's `wait` reaps whatever the kernel hands it when containers share its process namespace,
 * and is interrupted by SIGTERM at once; `sleep` only gives it something to wait for.
 */
const pauseScript = `trap 'exit 0' TERM INT
while :; do
  sleep 2147483647 &
  wait $!
done
`;

/** The sandbox image, from the bytes of a static busybox (Debian's `busybox-static`). Throws ImageError `InvalidBusybox`. */
export function buildPauseImage(busybox: Uint8Array): Promise<BuiltImage> {
  appletsOf(busybox);
  return buildImage({
    names: [pauseImageName],
    config: { entrypoint: ['/bin/sh', '/pause'], env: { PATH: path }, user: '65535:65535', workingDir: '/' },
    layers: [
      layerOfFiles([
        { path: 'bin', type: 'directory' },
        { path: 'bin/busybox', type: 'file', mode: 0o755, content: busybox },
        { path: 'bin/sh', type: 'link', target: 'bin/busybox' },
        { path: 'bin/sleep', type: 'link', target: 'bin/busybox' },
        { path: 'pause', type: 'file', mode: 0o755, content: pauseScript },
      ]),
    ],
  });
}

/** An image with every applet in `/bin`, as Docker Hub's busybox has it. Throws ImageError `InvalidBusybox`. */
export function buildBusyboxImage(
  busybox: Uint8Array,
  names: readonly string[] = ['docker.io/library/busybox:1.36', 'docker.io/library/busybox:latest'],
): Promise<BuiltImage> {
  const applets = appletsOf(busybox).filter((applet) => applet !== 'busybox');
  return buildImage({
    names,
    config: { cmd: ['sh'], env: { PATH: path } },
    layers: [
      layerOfFiles([
        ...folders,
        { path: 'bin/busybox', type: 'file', mode: 0o755, content: busybox },
        ...applets.map((applet): LayerFile => ({ path: `bin/${applet}`, type: 'link', target: 'bin/busybox' })),
        { path: 'usr/bin/env', type: 'symlink', target: '../../bin/env' },
        { path: 'etc/passwd', type: 'file', content: passwd },
        { path: 'etc/group', type: 'file', content: group },
        { path: 'etc/nsswitch.conf', type: 'file', content: 'hosts: files dns\n' },
      ]),
    ],
  });
}

const folders: readonly LayerFile[] = [
  ...['bin', 'dev', 'etc', 'home', 'usr', 'usr/bin', 'usr/sbin', 'var', 'var/www'].map((name): LayerFile => ({
    path: name,
    type: 'directory',
  })),
  { path: 'root', type: 'directory', mode: 0o700 },
  { path: 'tmp', type: 'directory', mode: 0o1777 },
  { path: 'var/spool', type: 'directory' },
];

const passwd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`;

const group = `root:x:0:
daemon:x:1:
tty:x:5:
www-data:x:33:
nogroup:x:65534:
`;

/**
 * The names a busybox answers to: it keeps them sorted, each ended by NUL, the list by another, and `[` and `[[` sort first.
 * Read from the binary, because it may be another architecture's.
 */
export function appletsOf(busybox: Uint8Array): readonly string[] {
  const bytes = Buffer.from(busybox.buffer, busybox.byteOffset, busybox.byteLength);
  const start = bytes.indexOf('\0[\0[[\0', 0, 'latin1');
  const end = start < 0 ? -1 : bytes.indexOf('\0\0', start + 1, 'latin1');
  const names = end < 0 ? [] : bytes.toString('latin1', start + 1, end).split('\0');
  if (!names.includes('sh') || !names.includes('sleep')) {
    throw new ImageError('InvalidBusybox', 'this is no busybox with a shell: install the package busybox-static');
  }
  if (needsInterpreter(bytes)) {
    throw new ImageError('InvalidBusybox', 'this busybox needs shared libraries: install the package busybox-static');
  }
  return names;
}

/** Whether an ELF program (little-endian) asks for a dynamic linker: it has a segment of type PT_INTERP. */
function needsInterpreter(elf: Buffer): boolean {
  const wide = elf[4] === 2;
  const start = wide ? Number(elf.readBigUInt64LE(32)) : elf.readUInt32LE(28);
  const size = elf.readUInt16LE(wide ? 54 : 42);
  const count = elf.readUInt16LE(wide ? 56 : 44);
  for (let index = 0; index < count; index++) if (elf.readUInt32LE(start + index * size) === 3) return true;
  return false;
}
