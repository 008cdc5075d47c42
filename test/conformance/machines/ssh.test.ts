import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SshMachine } from '#machines/ssh/machine';
import { runtimeLayout } from '#machines/machine';
import { agentBundle, agentFiles } from '../../harness/docker.ts';
import { skipWithout } from '../../harness/programs.ts';
import { dockerProgram, mmdebstrapProgram, sshMachineImage } from '../../harness/ssh-machine-image.ts';
import { differences, snapshot } from '../../harness/ssh-machine-snapshot.ts';
import { docker, linkParts, SshTestLab, trustOnFirstUse } from '../../harness/ssh-machine.ts';
import { machineConformance } from './suite.ts';

const skip = skipWithout(dockerProgram, mmdebstrapProgram);
if (!skip) sshMachineImage('full');

machineConformance({
  name: 'ssh',
  skip,
  create: async () => {
    const lab = new SshTestLab(102);
    const host = await lab.start('full');
    const target = host.target('deputy', lab.key(), { sudoPassword: host.password });
    const known = await trustOnFirstUse(target);
    const before = snapshot(host);
    const machine = new SshMachine({
      ...linkParts(known),
      name: 'worker-1',
      target,
      agentBundle: agentBundle(),
      onApiConnection: (stream) => stream.destroy(),
    });
    return {
      machine,
      files: agentFiles({
        nodeName: 'worker-1',
        driver: 'ssh',
        criEndpoint: `unix://${runtimeLayout('ssh').socket}`,
        apiUpstreams: [machine.apiUpstream],
      }),
      traces: async () => differences(before, snapshot(host)),
      killFromOutside: async () => {
        docker('kill', host.container);
        docker('start', host.container);
      },
      spawnClient: (command) =>
        new Promise((resolve, reject) => {
          const settings = join(lab.folder, 'client.json');
          writeFileSync(settings, JSON.stringify({ target, keys: known.trusted(target.host, target.port) }), {
            mode: 0o600,
          });
          const script = join(import.meta.dirname, 'ssh-client.ts');
          const client = spawn(process.execPath, [script, settings, ...command], {
            stdio: ['ignore', 'pipe', 'inherit'],
          });
          client.once('error', reject);
          client.once('exit', (code) => reject(new Error(`the client ended with ${code ?? 'a signal'}`)));
          client.stdout.once('data', () => resolve({ kill: () => client.kill('SIGKILL') }));
        }),
      dispose: async () => {
        machine.close();
        lab.dispose();
      },
    };
  },
});
