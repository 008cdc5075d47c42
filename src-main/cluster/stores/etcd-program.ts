import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Path of the `etcd` that is installed; undefined when there is none. */
export function findEtcd(path = process.env['PATH'] ?? ''): string | undefined {
  for (const folder of path.split(delimiter)) {
    if (folder === '') continue;
    const file = join(folder, 'etcd');
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder; most are not.
    }
  }
  return undefined;
}

export const etcdMissing =
  "etcd is not installed: 'apt install etcd-server' brings it, or leave --etcd away to use the embedded store";
