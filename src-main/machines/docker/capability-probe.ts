import type { Context } from '#base/context';
import { MachineError } from '../errors.ts';
import { availableCapabilities } from './capabilities.ts';
import type { DockerEngine } from './engine.ts';
import { engineFacts, machineErrorOf } from './errors.ts';
import { dockerLabels } from './labels.ts';
import { securityOptions } from './node-container.ts';

/** Starts a container that ends at once, with each set that has to be tried: the engine cannot be asked. */
export async function probeCapabilities(
  context: Context,
  engine: DockerEngine,
  home: string,
  image: string,
): Promise<readonly string[]> {
  const start = async (capabilities: readonly string[]): Promise<unknown> => {
    const container = await engine.call(context, 'create a container', (docker) =>
      docker.createContainer({
        Image: image,
        Entrypoint: ['/bin/true'],
        Labels: { [dockerLabels.home]: home },
        HostConfig: {
          CapAdd: [...capabilities],
          CapDrop: ['ALL'],
          SecurityOpt: securityOptions,
          NetworkMode: 'none',
        },
      }),
    );
    try {
      await container.start();
      return undefined;
    } catch (error) {
      return error;
    } finally {
      await engine.call(context, 'remove a container', () => container.remove({ force: true, v: true }));
    }
  };
  // What the host withholds shows in no other way than a failed start.
  const found = await availableCapabilities(async (capabilities) => (await start(capabilities)) === undefined);
  if (found) return found;
  const otherwise = await start([]);
  if (otherwise !== undefined) throw machineErrorOf(otherwise, 'start a container', engineFacts(engine.endpoint));
  throw new MachineError(
    'FORBIDDEN',
    'Docker may not give containers the capabilities that a node needs (NET_ADMIN, SYS_ADMIN): run a Docker Engine that is not itself restricted',
  );
}
