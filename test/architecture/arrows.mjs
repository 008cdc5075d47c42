/**
 * The arrows of the house: which room may import which. ESLint (`eslint.config.mjs`) and `rooms.test.ts` both read this
 * table. A name is a room of `src-main`; `room/file` allows that one file only. Every room may import itself, except
 * that a folder of `controller-manager` sees its own folder and the files that lie directly in the room.
 */
export const arrows = {
  base: [],
  api: ['base'],
  contract: ['api', 'base'],
  etcd: ['base'],
  images: ['base'],
  streaming: ['base'],
  cri: ['base', 'images', 'streaming'],
  client: ['base', 'api'],
  apiserver: ['base', 'api', 'streaming', 'etcd/client'],
  scheduler: ['base', 'api', 'client'],
  'controller-manager': ['base', 'api', 'client'],
  kubelet: ['base', 'api', 'client', 'streaming', 'cri/cri'],
  'kube-proxy': ['base', 'api', 'client'],
  network: ['base', 'api', 'client'],
  machines: ['base', 'images', 'streaming/byte-streams'],
  'node-agent': [
    'base',
    'api',
    'client',
    'images',
    'streaming',
    'cri',
    'kubelet',
    'kube-proxy',
    'network',
    'machines/machine',
    'machines/faults',
  ],
  drills: ['base', 'api', 'client', 'machines'],
  cluster: [
    'base',
    'api',
    'etcd',
    'images',
    'streaming',
    'cri',
    'client',
    'apiserver',
    'scheduler',
    'controller-manager',
    'kubelet',
    'kube-proxy',
    'network',
    'machines',
    'node-agent/agent-config',
  ],
  host: [
    'base',
    'api',
    'contract',
    'client',
    'cluster',
    'drills',
    'images',
    'machines',
    'etcd/client',
    'etcd/maintenance',
  ],
  desktop: ['base', 'contract', 'host', 'cluster', 'drills'],
  preload: ['contract'],
  cli: ['base', 'api', 'contract', 'host', 'cluster', 'drills'],
};

/** Rooms whose imports of others must be `import type`. */
export const typesOnly = ['contract'];

/** Rooms that may import `electron`; so may `src-main/index.ts`. */
export const electronRooms = ['desktop', 'preload'];

/** Rooms that run anywhere: no `node:` module and no npm package that needs one. */
export const anywhereRooms = ['base', 'api', 'contract'];

/** Whether `from` (a room) may import `path` (`room/rest`, without extension). */
export function allows(from, path) {
  const [room] = path.split('/');
  if (room === from) return true;
  return (arrows[from] ?? []).some((arrow) => arrow === room || arrow === path);
}
