import { formatCidr, parseCidr } from '#base/ip';
import { MachineError } from '../errors.ts';

export type PackageManager = 'apt' | 'dnf' | 'apk' | 'zypper';
/** What a real worker needs beside its kernel. */
export type Requirement =
  | 'containerd'
  | 'runc'
  | 'cni-plugins'
  | 'nftables'
  | 'iproute2'
  | 'conntrack'
  | 'arping'
  | 'nodejs'
  | 'busybox-static';
export type KernelFeature = 'overlay' | 'bridge' | 'vxlan' | 'nft' | 'veth';

export interface MachineFacts {
  /** `Debian GNU/Linux 12 (bookworm)`. */
  readonly os: string;
  /** `ID` and `VERSION_CODENAME` of os-release. */
  readonly osId: string;
  readonly osCodename: string;
  /** As `uname -m` prints it. */
  readonly architecture: string;
  readonly kernel: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Of the file system under /var/lib. */
  readonly diskTotalBytes: number;
  readonly diskFreeBytes: number;
  readonly systemd: boolean;
  readonly packageManager: PackageManager | undefined;
  /** Versions of what is there; absent names are missing. */
  readonly versions: Readonly<Partial<Record<Requirement, string>>>;
  readonly missing: readonly Requirement[];
  /** `unknown` where the tools to try it are missing. */
  readonly kernelFeatures: Readonly<Record<KernelFeature, 'yes' | 'no' | 'unknown'>>;
  /** A containerd of somebody else's runs; it is left alone. */
  readonly foreignContainerd: boolean;
  /** Name of a kubelet of somebody else's that runs: `kubelet`, `k3s`... */
  readonly foreignKubelet: string | undefined;
  /** Where the CNI plugins lie; undefined when they are missing. */
  readonly cniPlugins: string | undefined;
  /** Address and subnet (CIDR) of the main network device. */
  readonly address: string;
  readonly subnet: string;
}

export const requirements: readonly Requirement[] = [
  'containerd',
  'runc',
  'cni-plugins',
  'nftables',
  'iproute2',
  'conntrack',
  'arping',
  'nodejs',
  'busybox-static',
];
const kernelFeatures: readonly KernelFeature[] = ['overlay', 'bridge', 'vxlan', 'nft', 'veth'];
const packageManagers: readonly PackageManager[] = ['apt', 'dnf', 'apk', 'zypper'];
/** What Debian 12 has; older ones lack what the agent's bundle is made for. */
const minimumNodeMajor = 18;

/**
 * Prints one `name=value` a line; `$1` is the address the SSH connection came in by. POSIX shell without awk or sed. Kernel
 * features are tried in a network namespace of their own that is gone when the try ends.
 */
export const factsScript = `
out() { printf '%s=%s\\n' "$1" "$2"; }
have() { command -v "$1" >/dev/null 2>&1; }
version() { "$@" 2>/dev/null | { IFS= read -r line; printf %s "$line"; }; }
(
  PRETTY_NAME=; ID=; VERSION_CODENAME=
  [ -r /etc/os-release ] && . /etc/os-release
  out os "$PRETTY_NAME"; out osId "$ID"; out osCodename "$VERSION_CODENAME"
)
out architecture "$(uname -m)"
out kernel "$(uname -r)"
out cpus "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)"
while read -r name value _; do
  [ "$name" = MemTotal: ] && out memoryKib "$value"
done </proc/meminfo
df -Pk /var/lib | { read -r _; read -r _ total _ free _; out diskTotalKib "$total"; out diskFreeKib "$free"; }
[ -d /run/systemd/system ] && out systemd 1
for name in apt-get dnf apk zypper; do
  if have $name; then out packageManager "\${name%-get}"; break; fi
done
have containerd && out containerd "$(version containerd --version)"
have runc && out runc "$(version runc --version)"
have nft && out nftables "$(version nft --version)"
have ip && out iproute2 "$(version ip -V)"
have conntrack && out conntrack "$(version conntrack --version)"
have arping && out arping "$(version arping -V)"
have node && out nodejs "$(version node --version)"
for name in busybox busybox.static; do
  file=$(command -v $name) || continue
  # A program that is linked at run time names its linker at its beginning.
  head -c 4096 "$file" | grep -q -e ld-linux -e ld-musl || { out busybox-static "$file"; break; }
done
for folder in /usr/lib/cni /opt/cni/bin /usr/libexec/cni; do
  if [ -x $folder/bridge ] && [ -x $folder/host-local ]; then out cni-plugins $folder; break; fi
done
for pid in /proc/[0-9]*; do
  read -r name 2>/dev/null <$pid/comm || continue
  case $name in
    containerd) case $(tr '\\0' ' ' <$pid/cmdline) in */drydock/*) ;; *) out foreignContainerd 1 ;; esac ;;
    kubelet | k3s* | k0s | microk8s*) out foreignKubelet "$name" ;;
  esac
done
while read -r _ name; do [ "$name" = overlay ] && overlay=yes; done </proc/filesystems
# A single word has no second field.
while read -r name rest; do [ "$name" = overlay ] && [ -z "$rest" ] && overlay=yes; done </proc/filesystems
[ -z "$overlay" ] && have modprobe && { modprobe -n -q overlay && overlay=yes || overlay=no; }
out kernel.overlay "\${overlay:-unknown}"
try() { if unshare -n "$@" >/dev/null 2>&1; then echo yes; else echo no; fi; }
if have unshare && have ip && unshare -n true 2>/dev/null; then
  out kernel.bridge "$(try ip link add dd0 type bridge)"
  out kernel.vxlan "$(try ip link add dd0 type vxlan id 1 dstport 4789)"
  out kernel.veth "$(try ip link add dd0 type veth)"
  have nft && out kernel.nft "$(try nft add table inet dd)"
fi
address=
if have ip; then
  set -- "$1" $(ip -4 route get 192.0.2.1 2>/dev/null)
  arrived=$1
  while [ $# -gt 1 ]; do [ "$1" = src ] && address=$2; shift; done
  for try in "$address" "$arrived"; do
    [ -n "$try" ] || continue
    set -- $(ip -o -4 addr show to "$try" 2>/dev/null)
    while [ $# -gt 1 ]; do if [ "$1" = inet ]; then out address "$2"; address=done; break; fi; shift; done
    [ "$address" = done ] && break
  done
fi
[ "$address" = done ] || out address "$1/32"
exit 0
`;

/** Reads what {@link factsScript} printed. */
export function parseFacts(text: string): MachineFacts {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) values.set(line.slice(0, at), line.slice(at + 1));
  }
  const value = (name: string): string => values.get(name) ?? '';
  const versions = readVersions(values);
  const [address = '', prefix = '32'] = value('address').split('/');
  const block = parseCidr(`${address}/${prefix}`);
  if (!block) throw new MachineError('FAILED', 'The machine has no IPv4 address that other machines can reach');
  return {
    os: value('os') || 'Linux',
    osId: value('osId'),
    osCodename: value('osCodename'),
    architecture: value('architecture'),
    kernel: value('kernel'),
    cpus: Number(value('cpus')) || 1,
    memoryBytes: Number(value('memoryKib')) * 1024,
    diskTotalBytes: Number(value('diskTotalKib')) * 1024,
    diskFreeBytes: Number(value('diskFreeKib')) * 1024,
    systemd: values.has('systemd'),
    packageManager: packageManagers.find((each) => each === value('packageManager')),
    versions,
    missing: requirements.filter((each) => versions[each] === undefined),
    kernelFeatures: readFeatures(values),
    foreignContainerd: values.has('foreignContainerd'),
    foreignKubelet: values.get('foreignKubelet'),
    cniPlugins: values.get('cni-plugins'),
    address,
    subnet: formatCidr(block),
  };
}

function readVersions(values: ReadonlyMap<string, string>): MachineFacts['versions'] {
  const versions: Partial<Record<Requirement, string>> = {};
  for (const name of requirements) {
    const found = values.get(name);
    if (found === undefined) continue;
    const [number] = /\d+(\.[\w~+-]+)*/.exec(found) ?? [found];
    if (name === 'nodejs' && Number.parseInt(number, 10) < minimumNodeMajor) continue;
    versions[name] = name === 'busybox-static' || name === 'cni-plugins' ? found : number;
  }
  return versions;
}

function readFeatures(values: ReadonlyMap<string, string>): MachineFacts['kernelFeatures'] {
  const entries = kernelFeatures.map((name) => {
    const found = values.get(`kernel.${name}`);
    return [name, found === 'yes' || found === 'no' ? found : 'unknown'] as const;
  });
  return Object.fromEntries(entries) as Record<KernelFeature, 'yes' | 'no' | 'unknown'>;
}
