import type Dockerode from 'dockerode';
import type { Context } from '#base/context';
import { MachineError } from '../errors.ts';
import type { DockerEngine } from './engine.ts';
import { engineFailure } from './errors.ts';
import { dockerLabels, type Labels } from './labels.ts';

export interface SweepScope {
  readonly home: string;
  readonly lab: (lab: string) => boolean;
  /** Absent: all nodes, and the lab's network. */
  readonly node?: (node: string) => boolean;
}

/** Removes what carries our labels: containers with their anonymous volumes, then volumes, then networks. */
export async function removeLabeled(context: Context, engine: DockerEngine, scope: SweepScope): Promise<void> {
  const filters = { label: [`${dockerLabels.home}=${scope.home}`] };
  const inScope = (labels: Labels | undefined | null): boolean => {
    const lab = labels?.[dockerLabels.lab];
    const node = labels?.[dockerLabels.node];
    // Without a lab: a probe that a dead Drydock left.
    if (lab === undefined) return scope.node === undefined;
    if (!scope.lab(lab)) return false;
    return scope.node === undefined || (node !== undefined && scope.node(node));
  };
  const containers = await engine.call(context, 'list containers', (docker) =>
    docker.listContainers({ all: true, filters }),
  );
  await Promise.all(
    containers
      .filter((container) => inScope(container.Labels))
      .map(({ Id: id, Names: [name = id] }) => removeContainer(context, engine, id, name)),
  );
  const { Volumes: volumes } = await engine.call(context, 'list volumes', (docker) => docker.listVolumes({ filters }));
  for (const volume of volumes ?? []) {
    if (!inScope(volume.Labels)) continue;
    await gone(
      engine.call(context, `remove the volume ${volume.Name}`, (docker) => docker.getVolume(volume.Name).remove()),
    );
  }
  const networks = await engine.call(context, 'list networks', (docker) => docker.listNetworks({ filters }));
  for (const network of networks) {
    if (!inScope(network.Labels)) continue;
    await gone(
      engine.call(context, `remove the network ${network.Name}`, (docker) => docker.getNetwork(network.Id).remove()),
    );
  }
}

/** The engine refuses (409) while another Drydock removes it: its volumes are free once that is over. */
async function removeContainer(context: Context, engine: DockerEngine, id: string, name: string): Promise<void> {
  const act = <T>(request: (container: Dockerode.Container) => Promise<T>): Promise<T> =>
    engine.call(context, `remove the container ${name}`, (docker) => request(docker.getContainer(id)));
  try {
    await act((container) => container.remove({ force: true, v: true }));
  } catch (error) {
    const status = statusOf(error);
    if (status === 404) return;
    if (status !== 409) throw error;
    await gone(act((container) => container.wait({ condition: 'removed' })));
  }
}

/** Somebody else may have removed it in between. */
async function gone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof MachineError ? engineFailure(error.cause).statusCode : undefined;
}
