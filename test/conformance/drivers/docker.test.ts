import { dockerProgram, testDockerDriver } from '../../harness/docker.ts';
import { docker } from '../../harness/ssh-machine.ts';
import { kubectlProgram, skipWithout } from '../../harness/programs.ts';
import { dockerLabels } from '#machines/docker/labels';
import { blackholeRoutes, busyboxServer, realDrivers } from './real.ts';
import { driverConformance } from './suite.ts';

driverConformance({
  driver: 'docker',
  skip: skipWithout(dockerProgram(), kubectlProgram),
  runtime: /^containerd:\/\/1\./,
  server: busyboxServer,
  ...{ port: 8080, page: /^hello$/m, log: /^started$/m },
  create: async (folder) => {
    blackholeRoutes();
    const { home, driver, dispose } = testDockerDriver();
    return {
      drivers: realDrivers(folder, async () => driver),
      worker: { cpus: 1, memoryBytes: 1024 ** 3 },
      traces: async () => {
        const filter = [
          '-q',
          '--filter',
          `label=${dockerLabels.home}=${home}`,
          '--filter',
          `label=${dockerLabels.node}`,
        ];
        const lists = [docker('ps', '-a', ...filter), docker('volume', 'ls', ...filter)];
        return lists.flatMap((list) => list.split('\n').filter(Boolean));
      },
      dispose,
    };
  },
});
