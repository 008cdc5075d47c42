import type { SshTestMachine } from './ssh-machine.ts';

/** Everything of a machine that an installation could change, a line a fact. */
export function snapshot(machine: Pick<SshTestMachine, 'run'>): ReadonlySet<string> {
  const facts = [
    // Logs, caches and package managers' own notes of what happened may differ; so do homes and sshd's run time files.
    `find / -xdev \\( ${ignored.map((path) => `-path '${path}'`).join(' -o ')} \\) -prune -o -printf 'file %y %m %p\\n'`,
    "find /run /var/lib/drydock -printf 'file %y %m %p\\n' | grep -vE ' /run/(sshd|sudo|utmp|lock|user|systemd|mount|motd)' || true",
    "dpkg-query -W -f 'package ${Package} ${Version} ${Status}\\n'",
    "ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/link \\1/'",
    'ip -o -4 addr | awk \'{ print "address", $2, $4 }\'',
    "ip route | sed 's/^/route /'",
    'command -v nft >/dev/null &&  nft list ruleset | grep -v 127.0.0.11 | sed "s/^/nft /" || true',
    'for name in net/ipv4/ip_forward net/ipv4/conf/all/rp_filter net/ipv4/conf/all/route_localnet; do echo sysctl $name $(cat /proc/sys/$name); done',
    "for dir in /proc/[0-9]*; do tr '\\0' ' ' <$dir/cmdline 2>/dev/null | grep -E '^[^ ]*(node|containerd|runc|pause)' | sed 's/^/process /'; done; true",
    "mount | grep -E 'drydock|kubelet|containerd' | grep -v ' /var/lib/drydock type' | sed 's/^/mount /'; true",
  ];
  return new Set(machine.run(facts.join('\n')).split('\n'));
}

const ignored = [
  '/proc',
  '/sys',
  '/dev',
  '/run',
  '/tmp',
  '/var/tmp',
  '/var/log',
  '/home/*',
  '/root/*',
  '/var/cache/*',
  '/var/lib/dpkg/*-old',
  '/var/lib/dpkg/triggers/*',
  '/var/lib/systemd/*',
  '/var/lib/sudo/*',
  '/var/lib/drydock',
];

/** What is there now and was not, and the other way round. */
export function differences(before: ReadonlySet<string>, after: ReadonlySet<string>): readonly string[] {
  const added = [...after].filter((fact) => !before.has(fact)).map((fact) => `+ ${fact}`);
  const gone = [...before].filter((fact) => !after.has(fact)).map((fact) => `- ${fact}`);
  return [...added, ...gone];
}
