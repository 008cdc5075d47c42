import type { AnyAuthMethod, AuthenticationType, ConnectConfig, KeyboardInteractiveAuthMethod } from 'ssh2';
import { MachineError } from '../errors.ts';
import { utils } from './library.ts';
import { hopName, type SshAuth, type SshHop } from './target.ts';

type KeyAuth = Extract<SshAuth, { kind: 'key' }>;

/** Hands out the methods of one hop in order and keeps what the server would have accepted, for the message. */
export interface Authentication {
  readonly handler: NonNullable<ConnectConfig['authHandler']>;
  /** What the server said it accepts; empty before the first refusal. */
  readonly accepted: () => readonly string[];
}

/** Throws MachineError INVALID or MISSING when the secret itself cannot be used. */
export function authenticate(hop: SshHop): Authentication {
  const methods = methodsOf(hop);
  let accepted: readonly string[] = [];
  let next = 0;
  return {
    accepted: () => accepted,
    handler: (left, _partial, callback) => {
      // The first call comes before the server said anything.
      accepted = (left as readonly AuthenticationType[] | null) ?? accepted;
      const method: AnyAuthMethod | false = methods[next++] ?? false;
      // `false` ends the tries; the published types leave it out.
      callback(method as AnyAuthMethod);
    },
  };
}

function methodsOf(hop: SshHop): readonly AnyAuthMethod[] {
  const { auth, user: username } = hop;
  switch (auth.kind) {
    case 'key':
      return [{ type: 'publickey', username, ...usableKey(hop, auth) }];
    case 'agent':
      return [{ type: 'agent', username, agent: agentSocket(auth) }];
    case 'password':
      return [
        { type: 'password', username, password: auth.password },
        interactive(username, async (questions) => questions.map((each) => (each.echo ? '' : auth.password))),
      ];
    case 'keyboard-interactive':
      return [interactive(username, auth.answer)];
  }
}

function interactive(
  username: string,
  answer: Extract<SshAuth, { kind: 'keyboard-interactive' }>['answer'],
): KeyboardInteractiveAuthMethod {
  return {
    type: 'keyboard-interactive',
    username,
    prompt: (_name, _instructions, _language, prompts, finish) => {
      const questions = prompts.map(({ prompt, echo }) => ({ prompt, echo: echo ?? false }));
      // No answers make the server refuse, which is what giving up means here.
      answer(questions).then(
        (answers) => finish([...answers]),
        () => finish([]),
      );
    },
  };
}

function usableKey(hop: SshHop, auth: KeyAuth): { key: string; passphrase?: string } {
  const parsed = utils.parseKey(auth.privateKey, auth.passphrase);
  if (parsed instanceof Error) {
    const hint = auth.passphrase === undefined ? 'give its passphrase if it has one' : 'check the passphrase';
    throw new MachineError(
      'INVALID',
      `The private key for ${hopName(hop)} cannot be read (${hint}): ${parsed.message}`,
    );
  }
  const [key] = [parsed].flat();
  if (!key?.isPrivateKey())
    throw new MachineError('INVALID', `The key for ${hopName(hop)} is a public key: give the private one`);
  return { key: auth.privateKey, ...(auth.passphrase === undefined ? {} : { passphrase: auth.passphrase }) };
}

function agentSocket(auth: Extract<SshAuth, { kind: 'agent' }>): string {
  const socket = auth.socket ?? process.env['SSH_AUTH_SOCK'];
  if (socket === undefined || socket === '')
    throw new MachineError(
      'MISSING',
      'No SSH agent runs here (SSH_AUTH_SOCK is not set): start one or choose a key file',
    );
  return socket;
}
