import { createHash } from 'node:crypto';

/** What is ours carries all that apply, so that it is found again whatever became of the Drydock that made it. */
export const dockerLabels = {
  /** Folder of the home. */
  home: 'dev.drydock.home',
  lab: 'dev.drydock.lab',
  node: 'dev.drydock.node',
  /** Of images: `node-base`, `node`. */
  image: 'dev.drydock.image',
} as const;

export type Labels = Readonly<Record<string, string>>;

export function labLabels(home: string, lab: string): Labels {
  return { [dockerLabels.home]: home, [dockerLabels.lab]: lab };
}

export function nodeLabels(home: string, lab: string, node: string): Labels {
  return { ...labLabels(home, lab), [dockerLabels.node]: node };
}

/** `drydock-<lab>-<node>-<home>`: two homes may have labs of one name. */
export function containerName(home: string, lab: string, node: string): string {
  return `drydock-${lab}-${node}-${shortHash(home)}`;
}

export function networkName(home: string, lab: string): string {
  return `drydock-${lab}-${shortHash(home)}`;
}

/** A node's volumes by what they are mounted on. */
export function volumeName(home: string, lab: string, node: string, use: string): string {
  return `${containerName(home, lab, node)}-${use}`;
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 6);
}
