import { StatusError, type StatusReason } from '#api/machinery/status';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { sshConfigOf, sshSecretsOf, type NewSshMachine } from '#cluster/ssh-config';
import { sshTargetOf, trustedKeysOf } from '#cluster/ssh-target';
import type { DockerCheck, SshFacts, SshHostKey, SshMissing, SshProbe } from '#contract/machines';
import { MachineError, type MachineErrorCode } from '#machines/errors';
import type { MachineFacts } from '#machines/ssh/facts';
import { HostKeyError } from '#machines/ssh/target';
import type { Drivers } from './drivers.ts';

/** Whether Docker can be used; why not is part of the answer. */
export async function checkDocker(context: Context, drivers: Drivers): Promise<DockerCheck> {
  try {
    const driver = await drivers.docker();
    const { version, cpus, memoryBytes } = await driver.check(context);
    return { usable: true, version, cpus, memoryBytes, imageCached: await driver.hasImage(context) };
  } catch (error) {
    if (error instanceof MachineError) return { usable: false, reason: error.message };
    throw error;
  }
}

/** Tries a connection as the "Test connection" button does. A key that is not trusted yet is an answer, not an error. */
export async function probeMachine(context: Context, clock: Clock, machine: NewSshMachine): Promise<SshProbe> {
  const { probeSsh } = await import('#machines/ssh/probe');
  const config = sshConfigOf(machine);
  try {
    const target = sshTargetOf(config, sshSecretsOf(machine));
    const found = await probeSsh(context, target, { trusted: trustedKeysOf(config), clock });
    return {
      hostKey: { algorithm: found.hostKey.type, fingerprint: found.hostKey.fingerprint, trusted: true },
      facts: factsOf(found),
      missing: missingOf(found, machine.archive !== undefined),
    };
  } catch (error) {
    if (error instanceof HostKeyError && error.trusted.length === 0) {
      const { host, port, type: algorithm, fingerprint } = error.offered;
      const key: SshHostKey = { algorithm, fingerprint, trusted: false };
      const isJump = machine.jump?.host === host && machine.jump.port === port;
      return isJump ? { jumpHostKey: key, missing: [] } : { hostKey: key, missing: [] };
    }
    throw error;
  }
}

function factsOf(facts: MachineFacts): SshFacts {
  const { os, architecture: arch, kernel, cpus, memoryBytes, diskFreeBytes: freeDiskBytes, systemd } = facts;
  return { os, arch, kernel, cpus, memoryBytes, freeDiskBytes, supervisor: systemd ? 'systemd' : 'process' };
}

/** What stands between the machine and a node on it. `hasArchive`: the person named one to install from. */
export function missingOf(facts: MachineFacts, hasArchive: boolean): readonly SshMissing[] {
  const { missing, kernelFeatures, packageManager, foreignKubelet } = facts;
  const installable = hasArchive || packageManager !== undefined;
  const how = hasArchive
    ? 'Drydock installs it from the archive'
    : packageManager === undefined
      ? 'there is no package manager: name an archive to install it from'
      : `Drydock installs it with ${packageManager}`;
  const packages = missing.map((name): SshMissing => ({ name, text: how, installable }));
  const features = Object.entries(kernelFeatures)
    .filter(([, there]) => there === 'no')
    .map(([name]): SshMissing => ({ name, text: `the kernel of the machine has no ${name}`, installable: false }));
  const foreign: readonly SshMissing[] =
    foreignKubelet === undefined
      ? []
      : [
          {
            name: 'a machine of its own',
            text: `${foreignKubelet} runs here, a node of another cluster: stop it or choose another machine`,
            installable: false,
          },
        ];
  return [...foreign, ...packages, ...features];
}

const reasons: Readonly<Record<MachineErrorCode, StatusReason>> = {
  MISSING: 'ServiceUnavailable',
  TOO_OLD: 'ServiceUnavailable',
  FORBIDDEN: 'Forbidden',
  NO_SPACE: 'ServiceUnavailable',
  ADDRESS_CLASH: 'Conflict',
  UNREACHABLE: 'ServiceUnavailable',
  HOST_KEY: 'Forbidden',
  UNSUPPORTED: 'Invalid',
  INVALID: 'Invalid',
  FAILED: 'InternalError',
};

/** Their messages are for people: they cross as they are. */
export function statusOfMachineError(error: MachineError): StatusError {
  return new StatusError(reasons[error.code], messageOf(error), undefined, { cause: error });
}
