import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onPath, type Program } from './programs.ts';

/** `bare`: Debian 12 with sshd and sudo. `full`: with everything a worker needs. */
export type SshMachineKind = 'bare' | 'full';

const packages: Readonly<Record<SshMachineKind, readonly string[]>> = {
  bare: ['openssh-server', 'sudo', 'iproute2', 'ca-certificates'],
  full: [
    'openssh-server',
    'sudo',
    'iproute2',
    'containerd',
    'runc',
    'containernetworking-plugins',
    'nftables',
    'conntrack',
    'nodejs',
    'busybox-static',
  ],
};

/** What each machine runs as its first process: host keys of its own, then sshd. */
const setup = [
  'rm -f "$1"/etc/ssh/ssh_host_*',
  'mkdir -p "$1/root/.ssh" "$1/run/sshd"',
  'chmod 700 "$1/root/.ssh"',
  'printf "PermitRootLogin yes\\nMaxStartups 100\\nMaxSessions 100\\nUsePAM yes\\n" >"$1/etc/ssh/sshd_config.d/test.conf"',
  // Adds users before the first start; pam_nologin and friends stay as Debian ships them.
  'chroot "$1" useradd -m -s /bin/bash nosudo',
  'chroot "$1" useradd -m -s /bin/bash admin',
  'chroot "$1" useradd -m -s /bin/sh deputy',
  'printf "admin ALL=(ALL) NOPASSWD: ALL\\ndeputy ALL=(ALL) ALL\\n" >"$1/etc/sudoers.d/test"',
  'chmod 440 "$1/etc/sudoers.d/test"',
].join(' && ');

const command = 'mkdir -p /run/sshd && ssh-keygen -q -A && exec /usr/sbin/sshd -D -e';

export const mmdebstrapProgram: Program = onPath('mmdebstrap', 'apt-get install mmdebstrap');
export const dockerProgram: Program = dockerIsThere();

function dockerIsThere(): Program {
  const docker = onPath('docker', 'apt-get install docker.io');
  if (docker.path === undefined) return docker;
  const { status } = spawnSync(docker.path, ['version'], { stdio: 'ignore' });
  return status === 0 ? docker : { missing: 'no Docker Engine answers (start dockerd)' };
}

/** Makes the image when no image of this content exists; returns its name. About 20 s, or 40 s for `full`. */
export function sshMachineImage(kind: SshMachineKind): string {
  const content = JSON.stringify([packages[kind], setup, command]);
  const name = `drydock-test-ssh:${kind}-${createHash('sha256').update(content).digest('hex').slice(0, 12)}`;
  if (spawnSync('docker', ['image', 'inspect', name], { stdio: 'ignore' }).status === 0) return name;
  const folder = mkdtempSync(join(tmpdir(), 'drydock-ssh-image-'));
  try {
    const tar = join(folder, 'rootfs.tar');
    execFileSync(
      'mmdebstrap',
      [
        '--quiet',
        '--variant=minbase',
        `--include=${packages[kind].join(',')}`,
        `--customize-hook=${setup}`,
        'bookworm',
        tar,
      ],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    );
    const cmd = JSON.stringify(['sh', '-c', command]);
    execFileSync('docker', ['import', '--change', `CMD ${cmd}`, '--change', 'LABEL drydock.test=ssh', tar, name], {
      stdio: 'ignore',
    });
    return name;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
