import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '#base/errors';
import { MachineError } from '#machines/errors';
import type { SshAuth, SshHop, SshHostKey, SshTarget, TrustedHostKeys } from '#machines/ssh/target';
import type { SshHopConfig, SshMachineConfig, SshSecrets } from './ssh-config.ts';

/** What is kept of a machine, with its secrets, as the driver wants it. Throws MachineError INVALID for an unreadable key. */
export function sshTargetOf(config: SshMachineConfig, secrets: SshSecrets): SshTarget {
  return {
    ...hopOf(config, secrets.target),
    ...(config.jump ? { jumps: [hopOf(config.jump, secrets.jump)] } : {}),
    // The password a person logs in with is the one sudo asks for.
    ...(config.auth === 'password' && secrets.target !== undefined ? { sudoPassword: secrets.target } : {}),
  };
}

function hopOf({ host, port, user, auth, keyPath = '' }: SshHopConfig, secret: string | undefined): SshHop {
  return { host, port, user, auth: authOf(auth, keyPath, secret) };
}

function authOf(kind: SshHopConfig['auth'], keyPath: string, secret: string | undefined): SshAuth {
  if (kind === 'agent') return { kind };
  if (kind === 'password') return { kind, password: secret ?? '' };
  return { kind, privateKey: readKey(keyPath), ...(secret === undefined ? {} : { passphrase: secret }) };
}

/** A path as a person types it, `~/packages.tar`, as a program opens it. */
export function fromHome(path: string): string {
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : path;
}

function readKey(path: string): string {
  try {
    return readFileSync(fromHome(path), 'utf8');
  } catch (error) {
    throw new MachineError('INVALID', `the private key ${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** A person trusts a key by its fingerprint; the rest of it is learned when the host shows it. */
export function trustedKeysOf(config: SshMachineConfig): TrustedHostKeys {
  const hops = [config, ...(config.jump ? [config.jump] : [])];
  return (host, port): readonly SshHostKey[] =>
    hops
      .filter((hop) => hop.host === host && hop.port === port)
      .flatMap(({ hostKey }) => (hostKey ? [{ host, port, type: '', fingerprint: hostKey, key: '' }] : []));
}
