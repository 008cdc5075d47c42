import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { Context } from '#base/context';
import { dockerLabels } from '#machines/docker/labels';
import { agentFiles, dockerProgram, testDockerDriver } from '../../harness/docker.ts';
import { skipWithout } from '../../harness/programs.ts';
import { machineConformance } from './suite.ts';

machineConformance({
  name: 'docker',
  skip: skipWithout(dockerProgram()),
  create: async () => {
    const { driver, home, dispose } = testDockerDriver();
    const machine = driver.lab('conformance').machine('worker-1', { cpus: 1, memoryBytes: 1024 ** 3 }, 2);
    return {
      machine,
      files: agentFiles({ nodeName: 'worker-1', driver: 'docker' }),
      traces: async () => {
        await driver.lab('conformance').remove(Context.background());
        const filter = `label=${dockerLabels.home}=${home}`;
        return [
          ['ps', '-aq'],
          ['network', 'ls', '-q'],
          ['volume', 'ls', '-q'],
        ].flatMap((list) =>
          execFileSync('docker', [...list, '--filter', filter], { encoding: 'utf8' })
            .split('\n')
            .filter((id) => id !== ''),
        );
      },
      killFromOutside: async () => {
        execFileSync('docker', ['kill', machine.containerName], { stdio: 'ignore' });
      },
      spawnClient: (command) =>
        new Promise((resolve, reject) => {
          const script = join(import.meta.dirname, 'docker-client.ts');
          const client = spawn(process.execPath, [script, home, ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
          client.once('error', reject);
          client.once('exit', (code) => reject(new Error(`the client ended with ${code ?? 'a signal'}`)));
          client.stdout.once('data', () => resolve({ kill: () => client.kill('SIGKILL') }));
        }),
      dispose,
    };
  },
});
