import type { StoreAccess } from '#contract/store';

/** etcdctl 3.4 to 3.6, with what it takes to reach this lab's store. Paths and addresses only: nothing secret. */
export function etcdctl(access: StoreAccess | undefined, ...args: readonly string[]): string {
  const reach = access
    ? [
        `--endpoints=${access.endpoint}`,
        ...(access.ca === undefined ? [] : [`--cacert=${access.ca}`]),
        ...(access.cert === undefined ? [] : [`--cert=${access.cert}`]),
        ...(access.key === undefined ? [] : [`--key=${access.key}`]),
      ]
    : [];
  return ['etcdctl', ...reach, ...args].map(quoted).join(' ');
}

/** The same without the way there, for the eye. */
export function etcdctlShort(...args: readonly string[]): string {
  return ['etcdctl', ...args].map(quoted).join(' ');
}

/** One word of a command line, for a POSIX shell. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
