/**
 * What a node's programs need, without `CAP_`. containerd and runc: SYS_ADMIN (mounts, namespaces), SYS_CHROOT, MKNOD, SETFCAP,
 * SETPCAP, SYS_PTRACE (namespaces of containers that run as another user), SYS_RESOURCE (limits and OOM scores
 * below the node's own). Network agent and kube-proxy: NET_ADMIN, NET_RAW. The rest is what pods may have by default.
 */
export const requiredCapabilities = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_ADMIN',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_ADMIN',
  'SYS_CHROOT',
] as const;

/** What nodes do without when the host withholds it, at the cost of what is said. */
export const optionalCapabilities = [
  /** Processes of a node cannot get a lower OOM score or higher limits than the engine gave. */
  'SYS_RESOURCE',
  'SYS_PTRACE',
  'DAC_READ_SEARCH',
  'SYS_NICE',
  'IPC_LOCK',
] as const;

/** Whether a container with these capabilities (beside Docker's own) starts on this host. */
export type CapabilityProbe = (capabilities: readonly string[]) => Promise<boolean>;

/**
 * The largest set that this host gives. All at once first, for most hosts withhold nothing; then without each in turn, and
 * last one by one. Undefined when not even the required ones are given.
 */
export async function availableCapabilities(probe: CapabilityProbe): Promise<readonly string[] | undefined> {
  const all = [...requiredCapabilities, ...optionalCapabilities];
  if (await probe(all)) return all;
  for (const withheld of optionalCapabilities) {
    const rest = all.filter((capability) => capability !== withheld);
    if (await probe(rest)) return rest;
  }
  if (!(await probe(requiredCapabilities))) return undefined;
  const given: string[] = [...requiredCapabilities];
  for (const capability of optionalCapabilities) {
    if (await probe([...given, capability])) given.push(capability);
  }
  return given;
}
