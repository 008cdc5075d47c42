import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

export const cniConfigName = '10-drydock.conflist';
export const bridgeName = 'cni0';
/** What VXLAN adds to a packet: outer Ethernet, IPv4, UDP and VXLAN headers. */
const vxlanOverheadBytes = 50;

/** The largest packet a pod may send, so that it fits the link even when it travels through a tunnel. */
export function podMtu(linkMtu: number): number {
  return linkMtu - vxlanOverheadBytes;
}

/**
 * The network configuration list of a node (CNI specification 1.0.0): a bridge with an address for each pod. The
 * runtime brings up the loopback device of a pod by itself, and host ports are `host-ports.ts`, as the plugin for them needs iptables.
 */
export function cniConfig(podCIDR: string, linkMtu: number): string {
  const list = {
    cniVersion: '1.0.0',
    name: 'drydock',
    plugins: [
      {
        type: 'bridge',
        bridge: bridgeName,
        isGateway: true,
        isDefaultGateway: true,
        // A node that was deleted and joined again has another range: its bridge gets the new address.
        forceAddress: true,
        hairpinMode: true,
        ipMasq: false,
        mtu: podMtu(linkMtu),
        ipam: { type: 'host-local', ranges: [[{ subnet: podCIDR }]] },
      },
    ],
  };
  return `${JSON.stringify(list, undefined, 2)}\n`;
}

/** Replaces `path` as a whole: a runtime that reads it meanwhile sees the old text or the new. Resolves with whether it changed. */
export async function writeWhole(path: string, text: string): Promise<boolean> {
  if ((await readIfThere(path)) === text) return false;
  await mkdir(dirname(path), { recursive: true });
  // containerd watches the folder and reads names that end as configurations do: the partial file must not.
  const partial = `${path}.partial`;
  const file = await open(partial, 'w', 0o644);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
  return true;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
