import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { pauseImageName } from '#images/busybox-image';
import type { RuntimeLayout } from '#machines/machine';
import { imageArchiveFolder } from './prepare-image.ts';

const run = promisify(execFile);

const capSysResource = 24;

/** Format 2: containerd 1.6 and later. */
export function writeContainerdConfig(layout: RuntimeLayout): void {
  for (const folder of [layout.registryConfig, layout.cniConfig]) mkdirSync(folder, { recursive: true });
  writeFileSync(layout.config, containerdConfig(layout, { mayLowerOomScores: hasCapability(capSysResource) }));
}

export function containerdConfig(layout: RuntimeLayout, host: { readonly mayLowerOomScores: boolean }): string {
  const plugins = layout.cniPlugins.find((folder) => existsSync(join(folder, 'bridge'))) ?? layout.cniPlugins[0] ?? '';
  return `version = 2
root = "${layout.root}"
state = "${layout.state}"
# Snapshotters and services that no node of ours uses, for a faster start.
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = "${layout.socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImageName}"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  # Where the host withholds CAP_SYS_RESOURCE no process may get a lower score than the node's own.
  restrict_oom_score_adj = ${String(!host.mayLowerOomScores)}
  tolerate_missing_hugetlb_controller = true
  disable_apparmor = true
  # Goes with the state, so that what a stopped runtime leaves can be told from other programs' namespaces.
  netns_mounts_under_state_dir = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${plugins}"
    conf_dir = "${layout.cniConfig}"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "${layout.registryConfig}"
`;
}

/** Resolves when the socket takes connections, which containerd opens once its plugins are up. */
export async function waitForContainerd(context: Context, clock: Clock, socket: string): Promise<void> {
  while (!(await answers(socket))) await clock.sleep(context, 25);
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}

/** Imports each archive that containerd did not get yet. An archive that cannot be imported is said, and the rest goes on. */
export async function importArchives(
  context: Context,
  logger: Logger,
  socket: string,
  folder = imageArchiveFolder,
): Promise<void> {
  let archives: readonly string[];
  try {
    archives = readdirSync(folder);
  } catch (error) {
    logger.error('the node image has no image archives', { folder, error: messageOf(error) });
    return;
  }
  await Promise.all(
    archives.map(async (archive) => {
      try {
        const file = join(folder, archive);
        await run('ctr', ['-a', socket, '-n', 'k8s.io', 'images', 'import', file], { signal: context.signal });
      } catch (error) {
        context.check();
        logger.error('an image was not imported', { archive, error: messageOf(error) });
      }
    }),
  );
}

function hasCapability(bit: number): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${mask}`) >> BigInt(bit)) & 1n) === 1n;
}
