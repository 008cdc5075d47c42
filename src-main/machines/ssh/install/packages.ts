import type { PackageManager, Requirement } from '../facts.ts';
import { sshPaths } from '../paths.ts';

/** What each requirement is called where. */
const names: Readonly<Record<PackageManager, Readonly<Record<Requirement, string>>>> = {
  apt: {
    containerd: 'containerd',
    runc: 'runc',
    'cni-plugins': 'containernetworking-plugins',
    nftables: 'nftables',
    iproute2: 'iproute2',
    conntrack: 'conntrack',
    arping: 'iputils-arping',
    nodejs: 'nodejs',
    'busybox-static': 'busybox-static',
  },
  dnf: {
    containerd: 'containerd',
    runc: 'runc',
    'cni-plugins': 'containernetworking-plugins',
    nftables: 'nftables',
    iproute2: 'iproute',
    conntrack: 'conntrack-tools',
    arping: 'iputils',
    nodejs: 'nodejs',
    'busybox-static': 'busybox',
  },
  apk: {
    containerd: 'containerd',
    runc: 'runc',
    'cni-plugins': 'cni-plugins',
    nftables: 'nftables',
    iproute2: 'iproute2',
    conntrack: 'conntrack-tools',
    arping: 'iputils-arping',
    nodejs: 'nodejs',
    'busybox-static': 'busybox-static',
  },
  zypper: {
    containerd: 'containerd',
    runc: 'runc',
    'cni-plugins': 'cni-plugins',
    nftables: 'nftables',
    iproute2: 'iproute2',
    conntrack: 'conntrack-tools',
    arping: 'iputils',
    nodejs: 'nodejs',
    'busybox-static': 'busybox-static',
  },
};

export function packageNames(manager: PackageManager, missing: readonly Requirement[]): readonly string[] {
  return [...new Set(missing.map((each) => names[manager][each]))];
}

/** Scripts of one package manager. Lists and caches go to a folder of ours, so that the machine's own stay as they are. */
export interface PackageScripts {
  /** Arguments: package names. Reads the mirrors' lists and prints what an installation would add, one name a line. */
  readonly plan: string;
  /** Arguments: package names. Never asks; starts no service. */
  readonly install: string;
  /** Arguments: names that `plan` printed. Takes away what no package of the user's needs by now. */
  readonly purge: string;
  /** Prints which of the archive's packages in the folder `$1` are not installed, one `name file` a line. */
  readonly planFiles: string;
  /** Arguments: files. */
  readonly installFiles: string;
}

const work = `${sshPaths.agentState}/packages`;

const apt = `
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
mkdir -p ${work}/lists/partial ${work}/cache/archives/partial ${work}/log
[ -e ${work}/extended_states ] || cp /var/lib/apt/extended_states ${work}/extended_states 2>/dev/null || : >${work}/extended_states
get() {
  apt-get -q -y --no-install-recommends -o Dir::State::lists=${work}/lists -o Dir::Cache=${work}/cache \\
    -o Dir::State::extended_states=${work}/extended_states -o Dir::Log=${work}/log -o APT::Sandbox::User=root \\
    -o APT::Update::Error-Mode=any -o Acquire::Retries=1 -o Acquire::http::Timeout=15 -o DPkg::Lock::Timeout=120 "$@"
}
`;

/** Debian starts services when they are installed, unless this file forbids it. */
const noServices = `
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
`;

const dpkgPurge = `
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
# dpkg leaves what others depend on and goes on; so the last try has nothing left to say.
dpkg --purge "$@" || dpkg --purge "$@" || true
`;

/** Packages come and go by the difference of two lists. */
const rpmScripts = (install: string): PackageScripts => ({
  plan: `rpm -qa --qf '%{NAME}\\n' | sort -u >${work}.before\n${install} --assumeno "$@" >/dev/null 2>&1; true`,
  install: `${install} -y "$@" && rpm -qa --qf '%{NAME}\\n' | sort -u | comm -13 ${work}.before -`,
  purge: 'for name; do rpm -e "$name" 2>/dev/null; done; for name; do rpm -e "$name" 2>/dev/null; done; true',
  planFiles:
    'for file in $(find "$1" -name "*.rpm"); do name=$(rpm -qp --qf "%{NAME}" "$file"); rpm -q "$name" >/dev/null || echo "$name $file"; done',
  installFiles: 'rpm -i "$@"',
});

export const packageScripts: Readonly<Record<PackageManager, PackageScripts>> = {
  apt: {
    plan: `${apt}get update >&2 || exit 1\nget -s install "$@" >${work}/plan || { cat ${work}/plan >&2; exit 1; }
while read -r verb name version _; do
  # An upgrade shows the version it replaces in brackets.
  [ "$verb" = Inst ] && case $version in '['*) ;; *) echo "$name" ;; esac
done <${work}/plan; true`,
    install: `${apt}${noServices}get install "$@"`,
    purge: dpkgPurge,
    planFiles: `
for file in $(find "$1" -name '*.deb'); do
  name=$(dpkg-deb -f "$file" Package)
  [ "$(dpkg-query -W -f '\${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name $file"
done`,
    installFiles: `export DEBIAN_FRONTEND=noninteractive LC_ALL=C\n${noServices}dpkg --install --force-confdef "$@"`,
  },
  apk: {
    plan: 'printf "%s\\n" "$@"',
    install: 'apk add --no-cache --virtual .drydock "$@"',
    purge: 'apk del .drydock',
    planFiles: 'for file in $(find "$1" -name "*.apk"); do echo "$file $file"; done',
    installFiles: 'apk add --no-network --allow-untrusted --virtual .drydock "$@"',
  },
  dnf: rpmScripts('dnf install --setopt=install_weak_deps=False'),
  zypper: rpmScripts('zypper --non-interactive install --no-recommends'),
};
