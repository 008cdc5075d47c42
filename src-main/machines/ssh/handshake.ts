import { createHash } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Client as SshClient, ConnectConfig, ServerHostKeyAlgorithm } from 'ssh2';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import { MachineError } from '../errors.ts';
import { authenticate } from './authentication.ts';
import { Client } from './library.ts';
import {
  HostKeyError,
  hopName,
  type SshHop,
  type SshHostKey,
  type TrustedHostKey,
  type TrustedHostKeys,
} from './target.ts';

export interface HandshakeOptions {
  readonly trusted: TrustedHostKeys;
  readonly keepAliveMs: number;
  readonly onHostKey?: (key: SshHostKey) => void;
}

/** A TCP connection to `hop`. Throws MachineError UNREACHABLE, or CancelledError when `context` ends first. */
export function openTcp(context: Context, hop: SshHop): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: hop.host, port: hop.port, noDelay: true });
    const ending = context.onEnd(() => {
      socket.destroy();
      reject(new CancelledError(context.endedBy ?? 'cancelled'));
    });
    socket.once('connect', () => {
      ending.dispose();
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      ending.dispose();
      reject(new MachineError('UNREACHABLE', tcpText(hop, error), { cause: error }));
    });
  });
}

function tcpText(hop: SshHop, error: NodeJS.ErrnoException): string {
  const where = `${hop.host}:${hop.port}`;
  switch (error.code) {
    case 'ECONNREFUSED':
      return `${where} refuses connections: check that sshd runs there and the port is right`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `No route to ${where}: check the address and the network between`;
    case 'ETIMEDOUT':
      return `${where} does not answer: check that the machine is on and no firewall drops the port`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `No address is known for ${hop.host}: check the name`;
    default:
      return `${where} cannot be reached: ${error.message}`;
  }
}

/**
 * Speaks SSH over `socket`: the host key first, which must be one of the trusted, then the user. Throws {@link HostKeyError},
 * MachineError FORBIDDEN when the host refuses the user, UNREACHABLE when no SSH server speaks there.
 */
export function handshake(
  context: Context,
  hop: SshHop,
  socket: Duplex,
  options: HandshakeOptions,
): Promise<SshClient> {
  const authentication = authenticate(hop);
  const trusted = options.trusted(hop.host, hop.port);
  const client = new Client();
  let refused: HostKeyError | undefined;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      ending.dispose();
      client.destroy();
      socket.destroy();
      reject(refused ?? error);
    };
    const ending = context.onEnd(() => fail(new CancelledError(context.endedBy ?? 'cancelled')));
    client.once('ready', () => {
      ending.dispose();
      client.removeAllListeners('error');
      resolve(client);
    });
    client.on('error', (error) => fail(handshakeError(hop, error, authentication.accepted())));
    client.once('close', () =>
      fail(new MachineError('UNREACHABLE', `${hop.host}:${hop.port} closed the connection before the login was done`)),
    );
    client.connect({
      sock: socket,
      username: hop.user,
      // The context's deadline is the only one.
      readyTimeout: 0,
      keepaliveInterval: options.keepAliveMs,
      keepaliveCountMax: 3,
      authHandler: authentication.handler,
      algorithms: { serverHostKey: preferTypes(trusted) },
      hostVerifier: (key: Buffer) => {
        const offered = describeHostKey(hop, key);
        options.onHostKey?.(offered);
        if (trusted.some((each) => each.fingerprint === offered.fingerprint)) return true;
        refused = new HostKeyError(offered, trusted);
        return false;
      },
    } satisfies ConnectConfig);
  });
}

function handshakeError(hop: SshHop, error: Error & { level?: string }, accepted: readonly string[]): MachineError {
  const cause = { cause: error };
  const { kind } = hop.auth;
  if (error.level === 'client-authentication') {
    const methods = accepted.length > 0 ? ` (it accepts: ${accepted.join(', ')})` : '';
    const what = kind === 'key' ? 'key' : kind === 'agent' ? 'keys of the SSH agent' : 'password';
    return new MachineError('FORBIDDEN', `${hop.host} does not accept the ${what} of ${hop.user}${methods}`, cause);
  }
  if (error.level === 'agent')
    return new MachineError('MISSING', `The SSH agent for ${hopName(hop)} does not answer: ${error.message}`, cause);
  return new MachineError('UNREACHABLE', `No SSH connection to ${hopName(hop)}: ${messageOf(error)}`, cause);
}

/** The server picks the first type it has: types that are trusted come first, or a second key would look like a change. */
function preferTypes(trusted: readonly TrustedHostKey[]): ServerHostKeyAlgorithm[] {
  const all: readonly ServerHostKeyAlgorithm[] = [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ];
  const types = new Set(trusted.map((key) => key.type));
  const known = all.filter((name) => types.has(name) || (types.has('ssh-rsa') && name.startsWith('rsa-')));
  return [...known, ...all.filter((name) => !known.includes(name))];
}

/** `key` in wire form starts with its type's length and name. */
export function describeHostKey(hop: Pick<SshHop, 'host' | 'port'>, key: Buffer): SshHostKey {
  const hash = createHash('sha256').update(key).digest('base64').replace(/=+$/, '');
  return {
    host: hop.host,
    port: hop.port,
    type: key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1'),
    fingerprint: `SHA256:${hash}`,
    key: key.toString('base64'),
  };
}
