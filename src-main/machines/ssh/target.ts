import { MachineError } from '../errors.ts';

/** How a user proves who they are to one host. Secrets: never logged, never on a command line. */
export type SshAuth =
  /** `privateKey` is the file's text (OpenSSH or PEM). */
  | { readonly kind: 'key'; readonly privateKey: string; readonly passphrase?: string }
  /** `socket` defaults to `$SSH_AUTH_SOCK`. */
  | { readonly kind: 'agent'; readonly socket?: string }
  /** Also answers a keyboard-interactive question that hides what is typed, which is how PAM asks for passwords. */
  | { readonly kind: 'password'; readonly password: string }
  | {
      readonly kind: 'keyboard-interactive';
      /** Called once a round of questions; a rejection gives up. */
      readonly answer: (questions: readonly SshQuestion[]) => Promise<readonly string[]>;
    };

export interface SshQuestion {
  readonly prompt: string;
  /** Whether what is typed may be shown. */
  readonly echo: boolean;
}

/** One sshd on the way. */
export interface SshHop {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly auth: SshAuth;
}

export interface SshTarget extends SshHop {
  /** Hosts to go through, the nearest first. */
  readonly jumps?: readonly SshHop[];
  /** For users that are not root and must give it to sudo; written to sudo's standard input. */
  readonly sudoPassword?: string;
  /** What other nodes reach the machine by; default: the address of its main network device. */
  readonly address?: string;
}

/** A host's public key, as it is shown and kept. Not a secret. */
export interface SshHostKey {
  readonly host: string;
  readonly port: number;
  /** `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`... */
  readonly type: string;
  /** As OpenSSH prints it: `SHA256:` and unpadded base64. */
  readonly fingerprint: string;
  /** The public key's wire form in base64, as in `known_hosts`. */
  readonly key: string;
}

/** What is enough to know a key again. */
export type TrustedHostKey = Pick<SshHostKey, 'fingerprint'> & Partial<Pick<SshHostKey, 'type'>>;

/** The keys the user trusts for a host. Whoever calls keeps them. */
export type TrustedHostKeys = (host: string, port: number) => readonly TrustedHostKey[];

/**
 * HOST_KEY: `offered` is what the host showed. Without `trusted` nobody has seen the host before: show the fingerprint, and
 * keep the key when the user trusts it. With it the key has changed: a new installation, or somebody in between.
 */
export class HostKeyError extends MachineError {
  readonly offered: SshHostKey;
  readonly trusted: readonly TrustedHostKey[];

  constructor(offered: SshHostKey, trusted: readonly TrustedHostKey[]) {
    const where = `${offered.host}:${offered.port}`;
    const known = trusted.map((key) => `${key.type ?? ''} ${key.fingerprint}`.trim()).join(', ');
    super(
      'HOST_KEY',
      trusted.length === 0
        ? `The host key of ${where} is not known yet: ${offered.type} ${offered.fingerprint}. ` +
            'Compare it with "ssh-keygen -lf" on the machine and trust it.'
        : `The host key of ${where} has changed: it was ${known} and is ${offered.type} ${offered.fingerprint}. ` +
            'If the machine was installed anew, forget the old key and trust this one; otherwise somebody may be in between.',
    );
    this.offered = offered;
    this.trusted = trusted;
  }
}

/** `user@host:port`, for messages. */
export function hopName(hop: Pick<SshHop, 'user' | 'host' | 'port'>): string {
  return `${hop.user}@${hop.host}${hop.port === 22 ? '' : `:${hop.port}`}`;
}
