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
      .map((container) =>
        gone(
          engine.call(context, `remove the container ${container.Names[0] ?? container.Id}`, (docker) =>
            docker.getContainer(container.Id).remove({ force: true, v: true }),
          ),
        ),
      ),
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

/** Somebody else may have removed it in between, or be at it (409). */
async function gone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    const status = error instanceof MachineError ? engineFailure(error.cause).statusCode : undefined;
    if (status !== 404) throw error;
  }
}
