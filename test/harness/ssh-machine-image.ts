import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
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
    'iputils-arping',
    'procps',
    'ca-certificates',
    'nodejs',
    'busybox-static',
  ],
};

/** Users of each kind: root, sudo without a password (admin), with one (deputy), and none (nosudo). */
const setup = [
  'rm -f "$1"/etc/ssh/ssh_host_*',
  'mkdir -p "$1/root/.ssh" "$1/run/sshd"',
  'chmod 700 "$1/root/.ssh"',
  'printf "PermitRootLogin yes\\nMaxStartups 100\\nMaxSessions 100\\nUsePAM yes\\n" >"$1/etc/ssh/sshd_config.d/test.conf"',
  'chroot "$1" useradd -m -s /bin/bash nosudo',
  'chroot "$1" useradd -m -s /bin/bash admin',
  'chroot "$1" useradd -m -s /bin/sh deputy',
  'printf "admin ALL=(ALL) NOPASSWD: ALL\\ndeputy ALL=(ALL) ALL\\n" >"$1/etc/sudoers.d/test"',
  'chmod 440 "$1/etc/sudoers.d/test"',
].join(' && ');

/**
 * The first process. What a machine's kernel and init do, a container must do itself: mounts that pods can share, cgroups that
 * can be written. Then host keys of its own, and sshd.
 */
const command = `mount --make-rshared /
while read -r _ path _; do case $path in /sys/fs/cgroup*) mount -o remount,bind,rw $path ;; esac; done </proc/mounts
mkdir -p /run/sshd && ssh-keygen -q -A && exec /usr/sbin/sshd -D -e`;

export const mmdebstrapProgram: Program = onPath('mmdebstrap', 'apt-get install mmdebstrap');
export const dockerProgram: Program = dockerIsThere();

function dockerIsThere(): Program {
  const docker = onPath('docker', 'apt-get install docker.io');
  if (docker.path === undefined) return docker;
  const { status } = spawnSync(docker.path, ['version'], { stdio: 'ignore' });
  return status === 0 ? docker : { missing: 'no Docker Engine answers (start dockerd)' };
}

/** Arguments: name, packages, setup, CMD. Test files that run at once make an image once. */
const buildScript = `
docker image inspect "$1" >/dev/null 2>&1 && exit 0
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
mmdebstrap --quiet --variant=minbase --include="$2" --customize-hook="$3" bookworm "$folder/rootfs.tar" &&
  docker import --change "CMD $4" --change 'LABEL drydock.test=ssh' "$folder/rootfs.tar" "$1" >/dev/null
`;

/**
 * Makes the image when no image of this content exists; returns its name. About 20 s, or 40 s for `full`: call it where no test's
 * time runs.
 */
export function sshMachineImage(kind: SshMachineKind): string {
  const content = JSON.stringify([packages[kind], setup, command]);
  const name = `drydock-test-ssh:${kind}-${createHash('sha256').update(content).digest('hex').slice(0, 12)}`;
  const lock = join(tmpdir(), 'drydock-test-ssh-image.lock');
  const cmd = JSON.stringify(['sh', '-c', command]);
  execFileSync('flock', [lock, 'sh', '-c', buildScript, 'sh', name, packages[kind].join(','), setup, cmd], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return name;
}
