import { readFileSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { messageOf } from '#base/errors';
import { ClusterError } from '#cluster/errors';
import type { NewNodeRequest } from '#contract/calls';
import type { SshAuth, SshHop, SshTarget } from '#contract/machines';
import type { ControlClient } from '#host/control-client';
import { UsageError, type Arguments } from './options.ts';
import type { Progress } from './progress.ts';
import { followTask } from './tasks.ts';

/** What `node add` asks for. Throws UsageError. */
export function decodeNodeAdd(lab: string, node: string, args: Arguments): NewNodeRequest {
  const driver = args.text('driver');
  if (driver !== undefined && driver !== 'embedded' && driver !== 'docker' && driver !== 'ssh')
    throw new UsageError(`--driver ${driver}: expected embedded, docker or ssh`);
  const [cpus, memoryBytes] = [args.quantity('cpus'), args.quantity('memory')];
  const host = args.text('host');
  if (driver === 'ssh' && host === undefined) throw new UsageError('--driver ssh needs --host user@address');
  if (host !== undefined && driver !== undefined && driver !== 'ssh')
    throw new UsageError(`--host is for --driver ssh, not ${driver}`);
  return {
    ...{ lab, node },
    ...(host === undefined ? { ...(driver === undefined ? {} : { driver }) } : { driver: 'ssh' }),
    ...(cpus === undefined ? {} : { cpus }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(host === undefined ? {} : { ssh: decodeTarget(host, args) }),
  };
}

/** Adds the node and shows what is being done; resolves with its name when it is Ready. */
export async function addNode(
  host: ControlClient,
  request: NewNodeRequest,
  args: Arguments,
  progress: Progress,
): Promise<string> {
  const trusted = request.ssh ? await withTrust(host, request.ssh, args) : undefined;
  const wanted = trusted ? { ...request, ssh: trusted } : request;
  return followTask(host, request.lab, 'node-add', progress, async () => (await host.call('node.add', wanted)).node);
}

/** The host keys the user names; a key nobody named is shown, with the flag that trusts it. */
async function withTrust(host: ControlClient, target: SshTarget, args: Arguments): Promise<SshTarget> {
  const named = new Set((args.text('trust') ?? '').split(',').filter((one) => one !== ''));
  let wanted = target;
  // The jump host shows its key first; behind it, the machine.
  for (let round = 0; round < 2; round++) {
    const { hostKey, jumpHostKey } = await host.call('ssh.probe', { target: wanted });
    const offered = jumpHostKey && !jumpHostKey.trusted ? jumpHostKey : hostKey;
    if (!offered || offered.trusted) return wanted;
    const who = offered === jumpHostKey ? (wanted.jump?.host ?? '') : wanted.host;
    if (!named.has(offered.fingerprint)) {
      throw new ClusterError(
        'INVALID',
        `${who} shows the ${offered.algorithm} host key ${offered.fingerprint}; compare it with the machine's own, then add --trust ${[...named, offered.fingerprint].join(',')}`,
      );
    }
    wanted =
      offered === jumpHostKey && wanted.jump
        ? { ...wanted, jump: { ...wanted.jump, hostKey: offered.fingerprint } }
        : { ...wanted, hostKey: offered.fingerprint };
  }
  return wanted;
}

function decodeTarget(host: string, args: Arguments): SshTarget {
  const jump = args.text('jump');
  const archive = args.text('archive');
  const auth = decodeAuth(args);
  return {
    ...decodeHop(host, auth),
    ...(jump === undefined ? {} : { jump: decodeHop(jump, auth) }),
    ...(archive === undefined ? {} : { archive: absolute(archive) }),
  };
}

function decodeHop(text: string, auth: SshAuth): SshHop {
  const match = /^([^@\s]+)@([^@\s:]+)(?::(\d+))?$/.exec(text);
  if (!match) throw new UsageError(`'${text}': expected user@address or user@address:port`);
  const [, user = '', host = '', port = '22'] = match;
  return { host, user, port: Number(port), auth };
}

function decodeAuth(args: Arguments): SshAuth {
  const [identity, secretFile] = [args.text('identity'), args.text('password-file')];
  const secret = secretFile === undefined ? undefined : readSecret(secretFile);
  if (identity !== undefined)
    return { kind: 'key', path: absolute(identity), ...(secret === undefined ? {} : { passphrase: secret }) };
  return secret === undefined ? { kind: 'agent' } : { kind: 'password', password: secret };
}

/** From a file, never from the command line, which other users of this computer can see. */
function readSecret(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new UsageError(`--password-file ${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function absolute(path: string): string {
  return isAbsolute(path) || path.startsWith('~/') ? path : resolve(path);
}
