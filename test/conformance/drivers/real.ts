import { execFileSync } from 'node:child_process';
import type { Container } from '#api/gen/types';
import type { DockerDriver } from '#machines/docker/driver';
import type { RealNodeDrivers } from '#cluster/workers/worker-factory';
import { agentBundle } from '../../harness/docker.ts';

/** A web server of busybox, whose image every real node has. */
export const busyboxServer: Container = {
  ...{ name: 'main', image: 'busybox:1.36' },
  command: ['sh', '-c', 'mkdir /www; echo hello >/www/index.html; echo started; exec httpd -f -p 8080 -h /www'],
};

/** Addresses of pods and Services are nobody's outside a lab: what leaks must not leave this computer. */
export function blackholeRoutes(): void {
  for (const range of ['10.244.0.0/16', '10.96.0.0/16']) execFileSync('ip', ['route', 'replace', 'blackhole', range]);
}

export function realDrivers(folder: string, docker: () => Promise<DockerDriver>): RealNodeDrivers {
  return {
    ...{ docker, agentBundle: agentBundle(), imageCache: `${folder}/images` },
    // These labs break nothing that outlives them.
    guard: { watch: () => ({ dispose: () => undefined }) },
  };
}
