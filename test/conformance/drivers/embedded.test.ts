import { kubectlProgram, skipWithout } from '../../harness/programs.ts';
import { driverConformance } from './suite.ts';

driverConformance({
  driver: 'embedded',
  skip: skipWithout(kubectlProgram),
  runtime: /^simulator:\/\//,
  server: { name: 'main', image: 'nginx' },
  ...{ port: 80, page: /Welcome to nginx/, log: /start worker processes/ },
  create: async () => ({
    worker: {},
    traces: async () => [],
    dispose: async () => undefined,
  }),
});
