import type { PackageManager } from '../facts.ts';
import { MachineError } from '../../errors.ts';
import { sshPaths } from '../paths.ts';

/** `/var/lib/drydock/installed.json`: how the machine was before Drydock, as far as Drydock changes it, and what it added. */
export interface InstallRecord {
  readonly formatVersion: 1;
  readonly packageManager: PackageManager | undefined;
  /** Packages that were not there. */
  readonly packages: readonly string[];
  /** Files and then folders that came from a root file system the user named, which were not there. */
  readonly files: readonly string[];
  /** Folders that Drydock's programs write to and that were not there. */
  readonly createdPaths: readonly string[];
  /** Values of {@link sysctls}. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** `ip drydock-network`: netfilter tables that were there. */
  readonly nftTables: readonly string[];
  readonly links: readonly string[];
  /** Addresses on the loopback device, with prefix. */
  readonly loopback: readonly string[];
}

/** Nobody else's, so always taken away. The record itself lies in another folder, which goes last. */
export const ownPaths: readonly string[] = [
  '/opt/drydock',
  '/etc/drydock',
  '/run/drydock',
  '/var/log/drydock',
  '/usr/share/drydock',
  sshPaths.unit,
];

/** What Drydock's programs write beside their own folders. Children before their parents. */
const candidatePaths: readonly string[] = [
  sshPaths.kubeletState,
  '/var/log/pods',
  '/var/log/containers',
  '/var/lib/cni/networks/drydock',
  '/var/lib/cni/results',
  '/var/lib/cni/networks',
  '/var/lib/cni',
  '/var/lib/containerd',
  '/etc/containerd',
  '/opt/containerd',
  '/opt/cni',
  '/etc/cni/net.d/10-drydock.conflist',
  '/etc/cni/net.d',
  '/etc/cni',
  '/run/containerd',
  '/run/xtables.lock',
];

const sysctls: readonly string[] = [
  'net/ipv4/ip_forward',
  'net/ipv4/conf/all/rp_filter',
  'net/ipv4/conf/default/rp_filter',
  'net/ipv4/conf/all/route_localnet',
  'net/ipv4/conf/all/forwarding',
  'net/ipv4/conf/default/forwarding',
  'net/ipv4/conf/all/arp_ignore',
  'net/ipv4/conf/all/arp_announce',
  'net/bridge/bridge-nf-call-iptables',
  'net/netfilter/nf_conntrack_max',
  'net/netfilter/nf_conntrack_tcp_be_liberal',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
];

/** Prints one `kind value` a line. */
export const baselineScript = `
for path in ${candidatePaths.join(' ')}; do [ -e $path ] || echo "path $path"; done
for name in ${sysctls.join(' ')}; do
  # Not by read: it asks for single bytes, and these files give only the first.
  value=$(cat /proc/sys/$name 2>/dev/null) && echo "sysctl $name $value"
done
command -v nft >/dev/null && nft list tables 2>/dev/null
for folder in /sys/class/net/*; do [ -e $folder/ifindex ] && echo "link \${folder##*/}"; done
if command -v ip >/dev/null; then
  ip -o -4 addr show dev lo | while read -r _ _ _ address _; do echo "lo $address"; done
fi
true
`;

export function readBaseline(text: string, packageManager: PackageManager | undefined): InstallRecord {
  const lines = text.split('\n').map((line) => line.split(' '));
  const of = (kind: string): string[] =>
    lines.filter(([first]) => first === kind).map((words) => words.slice(1).join(' '));
  return {
    formatVersion: 1,
    packageManager,
    packages: [],
    files: [],
    createdPaths: of('path'),
    sysctls: Object.fromEntries(of('sysctl').map((line) => splitOnce(line))),
    nftTables: of('table'),
    links: of('link'),
    loopback: of('lo'),
  };
}

function splitOnce(line: string): readonly [string, string] {
  const at = line.indexOf(' ');
  return [line.slice(0, at), line.slice(at + 1)];
}

/** Throws MachineError INVALID for a file that this version did not write. */
export function parseRecord(text: string): InstallRecord {
  const record = JSON.parse(text) as InstallRecord;
  if (record.formatVersion !== 1)
    throw new MachineError(
      'INVALID',
      `${sshPaths.record} on the machine has format ${String(record.formatVersion)}: another version of Drydock wrote it`,
    );
  return record;
}
