import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonFile, writeFileAtomic } from './files.ts';
import { asNumber, asRecord, asText } from './json-fields.ts';

/** How a person says to reach a machine: secrets are in it. */
export type NewSshAuth =
  | { readonly kind: 'key'; readonly path: string; readonly passphrase?: string }
  | { readonly kind: 'agent' }
  | { readonly kind: 'password'; readonly password: string };

export interface NewSshHop {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly auth: NewSshAuth;
  /** Fingerprint of the host key the person trusts: `SHA256:...`. */
  readonly hostKey?: string;
}

export interface NewSshMachine extends NewSshHop {
  readonly jump?: NewSshHop;
  /** Path of an archive on this computer with what is to be installed, for a machine that reaches no mirror. */
  readonly archive?: string;
}

/** The same as `lab.json` keeps it: where secrets are needed, {@link SshSecrets} has them. */
export interface SshHopConfig {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly auth: 'key' | 'agent' | 'password';
  /** Path of the private key when `auth` is key. */
  readonly keyPath?: string;
  readonly hostKey?: string;
}

export interface SshMachineConfig extends SshHopConfig {
  readonly jump?: SshHopConfig;
  readonly archive?: string;
}

/** Passwords or passphrases of a machine and of its jump host: a file of mode 0600, never shown, never logged. */
export interface SshSecrets {
  readonly target?: string;
  readonly jump?: string;
}

export function sshConfigOf(machine: NewSshMachine): SshMachineConfig {
  const { jump, archive } = machine;
  return {
    ...hopConfigOf(machine),
    ...(jump ? { jump: hopConfigOf(jump) } : {}),
    ...(archive === undefined ? {} : { archive }),
  };
}

function hopConfigOf({ host, port, user, auth, hostKey }: NewSshHop): SshHopConfig {
  return {
    ...{ host, port, user, auth: auth.kind },
    ...(auth.kind === 'key' ? { keyPath: auth.path } : {}),
    ...(hostKey === undefined ? {} : { hostKey }),
  };
}

export function sshSecretsOf(machine: NewSshMachine): SshSecrets {
  const [target, jump] = [secretOf(machine.auth), secretOf(machine.jump?.auth)];
  return { ...(target === undefined ? {} : { target }), ...(jump === undefined ? {} : { jump }) };
}

function secretOf(auth: NewSshAuth | undefined): string | undefined {
  if (auth?.kind === 'password') return auth.password;
  return auth?.kind === 'key' ? auth.passphrase : undefined;
}

function secretsPath(labFolder: string, node: string): string {
  return join(labFolder, 'secrets', `${node}.json`);
}

export function saveSshSecrets(labFolder: string, node: string, secrets: SshSecrets): void {
  writeFileAtomic(secretsPath(labFolder, node), JSON.stringify(secrets));
}

export function loadSshSecrets(labFolder: string, node: string): SshSecrets {
  const secrets = readJsonFile(secretsPath(labFolder, node), (value): SshSecrets => {
    const { target, jump } = asRecord(value, 'it');
    return {
      ...(target === undefined ? {} : { target: asText(target, 'target') }),
      ...(jump === undefined ? {} : { jump: asText(jump, 'jump') }),
    };
  });
  return secrets ?? {};
}

export function forgetSshSecrets(labFolder: string, node: string): void {
  rmSync(secretsPath(labFolder, node), { force: true });
}

/** Throws Error with what is wrong. */
export function decodeSsh(value: unknown): SshMachineConfig {
  const record = asRecord(value, 'ssh');
  return {
    ...decodeHop(record),
    ...(record['jump'] === undefined ? {} : { jump: decodeHop(asRecord(record['jump'], 'jump')) }),
    ...(record['archive'] === undefined ? {} : { archive: asText(record['archive'], 'archive') }),
  };
}

function decodeHop(record: Record<string, unknown>): SshHopConfig {
  const auth = record['auth'];
  if (auth !== 'key' && auth !== 'agent' && auth !== 'password') throw new Error(`auth is '${String(auth)}'`);
  return {
    host: asText(record['host'], 'host'),
    port: asNumber(record['port'], 'port'),
    user: asText(record['user'], 'user'),
    auth,
    ...(record['keyPath'] === undefined ? {} : { keyPath: asText(record['keyPath'], 'keyPath') }),
    ...(record['hostKey'] === undefined ? {} : { hostKey: asText(record['hostKey'], 'hostKey') }),
  };
}
