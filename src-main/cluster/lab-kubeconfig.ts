import { join } from 'node:path';
import { ClusterError } from './errors.ts';
import { readTextFile } from './files.ts';
import type { KubeconfigFacts } from './kubeconfig.ts';

/** The lab's own kubeconfig, in its folder. */
export function labKubeconfigPath(folder: string): string {
  return join(folder, 'kubeconfig');
}

/** What a kubeconfig of the lab says, from the keys that lie in its folder. */
export function kubeconfigFacts(lab: {
  readonly name: string;
  readonly folder: string;
  readonly server: string;
}): KubeconfigFacts {
  const read = (file: string): string => {
    const path = join(lab.folder, 'pki', file);
    const text = readTextFile(path);
    if (text === undefined) throw new ClusterError('HOME_DAMAGED', `${path} is missing; restore it from a backup`);
    return text;
  };
  return {
    name: `drydock-${lab.name}`,
    server: lab.server,
    caCertificate: read('ca.crt'),
    client: { certificate: read('admin.crt'), key: read('admin.key') },
  };
}
