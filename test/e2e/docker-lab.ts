import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync, cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { machinePaths } from '#machines/machine';
import { dockerLabels } from '#machines/docker/labels';
import { baseTag, nodeTag } from '#machines/docker/node-recipe';
import { root } from '../harness/programs.ts';

/** Pod and Service addresses of a lab must never leave this computer. */
export function guardRoutes(): void {
  for (const range of ['10.244.0.0/16', '10.96.0.0/16']) execFileSync('ip', ['route', 'replace', 'blackhole', range]);
}

/** A copy of the build whose agent nobody has seen yet, so that its node image is not there and has to be built. */
export class FreshBuild {
  readonly #folder = join(root, 'node_modules/.cache/drydock', `e2e-${randomUUID()}`);
  readonly cli = join(this.#folder, 'main/drydock.cjs');
  readonly #bundle = join(this.#folder, 'agent/node-agent.cjs');

  constructor() {
    cpSync(join(root, 'out'), this.#folder, { recursive: true });
    appendFileSync(this.#bundle, `\n// ${this.#folder}\n`);
  }

  /** Removes the build and the image that was made of it. */
  dispose(): void {
    const tag = nodeTag(baseTag('debian'), [{ path: machinePaths.agentBundle, content: readFileSync(this.#bundle) }]);
    spawnSync('docker', ['image', 'rm', tag], { stdio: 'ignore' });
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Whether the process is still the host of that home. */
export function isHost(pid: number, home: string): boolean {
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) && readFileSync(file, 'utf8').includes(home);
}

/** What Docker still has of a home: containers, volumes and networks by name. */
export function leftOf(home: string): readonly string[] {
  return [
    ...list(['ps', '--all', '--format', '{{.Names}}'], home),
    ...list(['volume', 'ls', '--format', '{{.Name}}'], home),
    ...list(['network', 'ls', '--format', '{{.Name}}'], home),
  ];
}

/** Removes all of it, for a test that failed. */
export function removeAll(home: string): void {
  const remove = (kind: readonly string[], names: readonly string[]): void => {
    if (names.length > 0) spawnSync('docker', [...kind, ...names], { stdio: 'ignore' });
  };
  remove(['rm', '--force', '--volumes'], list(['ps', '--all', '--format', '{{.Names}}'], home));
  remove(['volume', 'rm'], list(['volume', 'ls', '--format', '{{.Name}}'], home));
  remove(['network', 'rm'], list(['network', 'ls', '--format', '{{.Name}}'], home));
}

function list(command: readonly string[], home: string): readonly string[] {
  const filter = ['--filter', `label=${dockerLabels.home}=${home}`];
  return execFileSync('docker', [...command, ...filter], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean);
}

/** The network of a home's only lab, and the first three numbers of its addresses. */
export function labNetwork(home: string): { readonly network: string; readonly prefix: string } {
  const [network = ''] = list(['network', 'ls', '--format', '{{.Name}}'], home);
  const subnet = execFileSync(
    'docker',
    ['network', 'inspect', '--format', '{{(index .IPAM.Config 0).Subnet}}', network],
    {
      encoding: 'utf8',
    },
  );
  return { network, prefix: subnet.trim().replace(/\.\d+\/\d+$/, '') };
}
