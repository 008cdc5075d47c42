import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubectlProgram, skipWithout } from '../../harness/programs.ts';
import { dockerProgram, mmdebstrapProgram, sshMachineImage } from '../../harness/ssh-machine-image.ts';
import { differences, snapshot } from '../../harness/ssh-machine-snapshot.ts';
import { SshTestLab, trustOnFirstUse } from '../../harness/ssh-machine.ts';
import { blackholeRoutes, busyboxServer, realDrivers } from './real.ts';
import { driverConformance } from './suite.ts';

const skip = skipWithout(dockerProgram, mmdebstrapProgram, kubectlProgram);
if (!skip) sshMachineImage('full');

driverConformance({
  driver: 'ssh',
  skip,
  runtime: /^containerd:\/\/1\./,
  server: busyboxServer,
  ...{ port: 8080, page: /^hello$/m, log: /^started$/m },
  create: async (folder) => {
    blackholeRoutes();
    const machines = new SshTestLab(107);
    const host = await machines.start('full');
    const target = host.target('root', machines.key());
    const known = await trustOnFirstUse(target);
    const [key] = known.trusted(target.host, target.port);
    const path = join(folder, 'id_ed25519');
    writeFileSync(path, machines.privateKey, { mode: 0o600 });
    const before = snapshot(host);
    const refuse = () => Promise.reject(new Error('a lab of SSH machines asks for no Docker'));
    return {
      drivers: realDrivers(folder, refuse),
      worker: {
        driver: 'ssh',
        ssh: {
          ...{ host: target.host, port: target.port, user: 'root', auth: { kind: 'key', path } },
          ...(key ? { hostKey: key.fingerprint } : {}),
        },
      },
      traces: async () => differences(before, snapshot(host)),
      dispose: async () => machines.dispose(),
    };
  },
});
