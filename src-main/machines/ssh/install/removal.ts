import type { Context } from '#base/context';
import { sshPaths } from '../paths.ts';
import type { RemoteShell } from '../remote-shell.ts';
import { packageScripts } from './packages.ts';
import { ownPaths, type InstallRecord } from './record.ts';

/** What our programs set in the kernel. Arguments: none; the lists of what was there before are put in. */
function networkScript(record: InstallRecord): string {
  const lines = (name: string, values: readonly string[]): string => `${name}='\n${values.join('\n')}\n'`;
  return `
${lines('tables', record.nftTables)}
${lines('links', record.links)}
${lines('addresses', record.loopback)}
had() { case $1 in *"
$2
"*) return 0 ;; esac; return 1; }
if command -v ip >/dev/null; then
  ip route flush proto 141 2>/dev/null
  for link in cni0 drydock.vxlan; do
    [ -e /sys/class/net/$link ] && ! had "$links" $link && ip link delete $link
  done
  ip -o -4 addr show dev lo | while read -r _ _ _ address _; do
    case $address in */32) had "$addresses" "$address" || ip addr del "$address" dev lo ;; esac
  done
fi
# Host ports: the portmap plugin's chains, wherever iptables keeps them.
if command -v iptables-save >/dev/null && iptables-save -t nat 2>/dev/null | grep -q CNI-; then
  iptables-save -t nat | grep -v CNI- | iptables-restore -T nat
fi
command -v nft >/dev/null && nft list tables 2>/dev/null | while read -r _ family name; do
  had "$tables" "$family $name" && continue
  case $name in
    drydock* | kube-proxy* | cni*) nft delete table $family "$name" ;;
    # Made by iptables for the chains above; somebody's rules in it stay.
    nat | filter | mangle | raw) nft list table $family "$name" | grep -qE '(accept|drop|jump|counter|masquerade)' || nft delete table $family "$name" ;;
  esac
done
true
`;
}

function sysctlScript(record: InstallRecord): string {
  const lines = Object.entries(record.sysctls).map(
    ([name, value]) =>
      `now=$(cat /proc/sys/${name} 2>/dev/null) && [ "$now" != '${value}' ] && echo '${value}' >/proc/sys/${name}`,
  );
  return `${lines.join('\n')}\ntrue\n`;
}

/** Takes paths away that were not there; parents after their children. */
const pathScript = `
for path; do
  case $path in /?*/?*) ;; *) continue ;; esac
  while read -r _ mounted _; do case $mounted in "$path"/*) echo "$mounted" ;; esac; done </proc/mounts |
    while read -r mounted; do umount -l "$mounted" 2>/dev/null; done
  rm -rf "$path"
done
true
`;

/**
 * Makes a machine what it was before `install`, the agent being stopped. Packages of the user's that came to need one of ours keep
 * it. The record goes last: what fails half-way can be done again.
 */
export async function removeInstalled(
  context: Context,
  record: InstallRecord | undefined,
  shell: RemoteShell,
): Promise<void> {
  if (record) await undo(context, record, shell);
  const paths = [...ownPaths, ...(record?.createdPaths ?? [])];
  await shell.run(context, pathScript, { args: paths, failure: 'Folders could not be removed' });
  const last = `rm -rf ${sshPaths.agentState}; [ -d /run/systemd/system ] && systemctl daemon-reload; true`;
  await shell.run(context, last, { failure: 'The record of the installation could not be removed' });
}

async function undo(context: Context, record: InstallRecord, shell: RemoteShell): Promise<void> {
  await shell.run(context, networkScript(record), { failure: 'The network could not be put back' });
  await shell.run(context, sysctlScript(record), { failure: 'Settings of the kernel could not be put back' });
  if (record.packages.length > 0 && record.packageManager) {
    const { purge } = packageScripts[record.packageManager];
    await shell.run(context, purge, { args: record.packages, failure: 'Packages could not be removed' });
  }
  const folders = record.files.filter((path) => path.endsWith('/')).reverse();
  await removeFiles(context, record, folders, shell);
}

/** A root file system has more files than a command line holds. */
async function removeFiles(
  context: Context,
  record: InstallRecord,
  folders: readonly string[],
  shell: RemoteShell,
): Promise<void> {
  if (record.files.length === 0) return;
  const list = `${sshPaths.agentState}/remove.list`;
  const files = record.files.filter((path) => !path.endsWith('/'));
  const content = new TextEncoder().encode(`${[...files, ...folders].join('\n')}\n`);
  await shell.write(context, { path: list, content, mode: 0o600 });
  const script =
    'while read -r path; do case $path in */) rmdir "$path" 2>/dev/null ;; *) rm -f "$path" ;; esac; done <"$1"; true';
  await shell.run(context, script, { args: [list], failure: 'Files could not be removed' });
}
